"""Whether a label means the same in config, files and model."""

from collections.abc import Collection, Iterable, Iterator

from mmengine.config import Config

from mmuniformer.checks.classes.lists import (
    check_agreement,
    check_list,
    check_nameless,
    classes_of,
    is_open,
)
from mmuniformer.checks.classes.names import check_class_names, names_of
from mmuniformer.checks.classes.numbers import check_class_numbers
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.shards import is_sharded
from mmuniformer.hosts import HOSTS


def check_classes(cfg: Config, phases: Collection[str]) -> Iterator[Finding]:
    """Looks at the classes of all data sets, and at the model's.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data the command reads.
    """
    named, stop = [], False
    # What keypoints are called is looked at by their own checks.
    sets = [s for s in data_sets(cfg, phases) if s.host != 'mmpose']
    sets = list(_without_repeats(sets))
    for data_set in sets:
        mistakes = list(check_list(data_set))
        yield from mistakes
        if any(finding.level == 'error' for finding in mistakes):
            stop = True
            continue
        classes = classes_of(data_set) or _of_folders(data_set)
        if classes is None:
            yield from check_nameless(data_set)
        else:
            named.append((data_set, classes))
    if stop:
        # What follows from a mistake is no other one.
        return
    compared = [pair for pair in named if not _of_tracking(pair[0])]
    if not is_open(cfg):
        yield from check_agreement(compared)
    yield from check_class_numbers(
        cfg, _host(cfg, named), compared, trains='train' in phases
    )
    yield from check_class_names(named)


def _without_repeats(sets: Iterable[DataSet]) -> Iterator[DataSet]:
    """Those for testing are most often those for validation."""
    seen: list[tuple] = []
    for data_set in sets:
        use = 'train' if data_set.phase == 'train' else 'test'
        if (use, data_set.node) not in seen:
            seen.append((use, data_set.node))
            yield data_set


def _of_folders(data_set: DataSet) -> list[str] | None:
    """Classes of mmpretrain and of shards where a config gives none."""
    from_folders = data_set.host == 'mmpretrain' or is_sharded(data_set)
    names = names_of(data_set) if from_folders else None
    return list(names.order) if names else None


def _of_tracking(data_set: DataSet) -> bool:
    """Whether labels are tracks, and classes those of the annotations."""
    kinds = {kind.__name__ for kind in data_set.kind.__mro__}
    return 'BaseVideoDataset' in kinds


def _host(cfg: Config, named: list[tuple[DataSet, list[str]]]) -> str:
    scope = cfg.get('default_scope')
    if scope in HOSTS or not named:
        return scope or ''
    return named[0][0].host
