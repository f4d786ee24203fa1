"""The label that is not learned: whether all parts of a config agree."""

from collections.abc import Collection, Iterator

from mmengine.config import Config

from mmuniformer.checks.data_sets import data_sets, evaluators
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name

# mmseg's default, of heads, metrics and data sets alike.
DEFAULT = 255


def check_ignored_labels(
    cfg: Config, phases: Collection[str]
) -> Iterator[Finding]:
    """Looks at every ``ignore_index``.

    Args:
        cfg (Config): Only a config of mmseg has decode heads.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    heads = dict(_heads(cfg))
    decode_heads = [path for path in heads if '.decode_head' in path]
    if not decode_heads:
        return
    main = decode_heads[-1]
    head = heads[main]
    ignored = head.get('ignore_index', DEFAULT)
    count = head.get('num_classes')
    for path, node in heads.items():
        other = node.get('ignore_index', DEFAULT)
        if 'train' in phases and other != ignored:
            yield Finding(
                f'{path}.ignore_index is {other}, and {main}.ignore_index '
                f'is {ignored}',
                'set both to the label that maps have for what is ignored',
                entry=f'{path}.ignore_index',
                level='warning',
            )
    if 'train' in phases and _is_class(ignored, count):
        yield Finding(
            f'{main}.ignore_index is {ignored}, which is one of its {count} '
            'classes: that class is never learned',
            entry=f'{main}.ignore_index',
            level='note',
        )
    yield from _check_metrics(cfg, phases, main, ignored, count)
    for data_set in data_sets(cfg, phases):
        own = data_set.node.get('ignore_index', ignored)
        if data_set.host == 'mmseg' and own != ignored:
            yield Finding(
                f'{data_set.path}.ignore_index is {own}, which mmseg never '
                f'looks at: {main}.ignore_index counts, and is {ignored}',
                f'set {main}.ignore_index={own} if it is meant',
                entry=f'{data_set.path}.ignore_index',
                level='warning',
            )


def _check_metrics(
    cfg: Config,
    phases: Collection[str],
    head: str,
    ignored: int | None,
    count: int | None,
) -> Iterator[Finding]:
    evaluated = [p for p in phases if p != 'train']
    before = []
    for _, path, node in evaluators(cfg, evaluated):
        own = node.get('ignore_index', DEFAULT)
        if type_name(node) != 'IoUMetric' or own == ignored:
            continue
        # Not to score a class (the background) is a choice; to score what
        # was never learned is none.
        if ignored is None or node in before or _is_class(own, count):
            continue
        before.append(node)
        yield Finding(
            f'{path}.ignore_index is {own}, and {head}.ignore_index is '
            f'{ignored}: pixels that were never learned are scored',
            f'set {path}.ignore_index={ignored}',
            entry=f'{path}.ignore_index',
            level='warning',
        )


def _is_class(label: int | None, count: int | None) -> bool:
    return (
        label is not None and count is not None and 0 <= label < max(count, 2)
    )


def _heads(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Decode heads, then auxiliary heads, with their dotted paths."""
    model = cfg.get('model') or {}
    path = 'model.module' if 'module' in model else 'model'
    model = model.get('module', model)
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        if isinstance(heads, dict):
            yield f'{path}.{key}', heads
        elif isinstance(heads, (list, tuple)):
            for index, head in enumerate(heads):
                yield f'{path}.{key}.{index}', head
