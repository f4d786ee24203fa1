"""What a data set of mmpose says of its keypoints: names, swaps, sigmas."""

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding, suggest
from mmuniformer.checks.keypoints.names import parse_name

_KEYS = (
    'dataset_name', 'keypoint_info', 'skeleton_info', 'joint_weights', 'sigmas'
)  # fmt: skip


def metainfo_of(
    data_set: DataSet,
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What the data set has parsed, or why that is not possible."""
    given = deepcopy(data_set.node.get('metainfo'))
    if given is None and data_set.name == 'DeepFashionDataset':
        # Its class has the metainfo of what was built last.
        part = data_set.node.get('subset') or 'full'
        given = dict(
            from_file=f'configs/_base_/datasets/deepfashion_{part}.py'
        )
    if given is None:
        given = deepcopy(data_set.kind.METAINFO)
    return parse(data_set.kind._load_metainfo, given, data_set.path)


def parse(
    load: Callable[[dict], dict], given: Any, path: str
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Parses a metainfo and looks at what mmpose takes as it is.

    Args:
        load (Callable): The parser of the data set.
        given (Any): ``metainfo`` of its config.
        path (str): Dotted path of the data set.
    """
    place = f'{path}.metainfo'
    file = given.get('from_file') if isinstance(given, dict) else None
    place = f'{place} ({file})' if file else place
    with warnings.catch_warnings():
        # That a file was found in mmpose's own folder is no news.
        warnings.simplefilter('ignore')
        try:
            if _of_mmpose(file):
                return _parse_known(load, file), []
            parsed = load(deepcopy(given))
            findings = list(_check(parsed, place))
        except FileNotFoundError as error:
            return None, [Finding(f'{place}: {error}', entry=place)]
        except (AssertionError, AttributeError, KeyError, TypeError) as error:
            why = _why(given, file, error)
            return None, [Finding(f'{place} {why}', entry=place)]
    return parsed or None, findings


@cache
def _parse_known(load: Callable[[dict], dict], file: str) -> dict[str, Any]:
    """Reads a file of mmpose once: configs name dozens of data sets."""
    return load(dict(from_file=file))


def _of_mmpose(file: str | None) -> bool:
    """Whether it is one of mmpose's: whatever it says is meant."""
    if file is None:
        return False
    import mmpose

    inside = Path(mmpose.__file__).parent.resolve()
    place = Path(file)
    return not place.is_file() or place.resolve().is_relative_to(inside)


def _why(given: Any, file: str | None, error: Exception) -> str:
    raw = given
    if file and Path(file).is_file():
        raw = Config.fromfile(file).get('dataset_info')
        if raw is None:
            return 'has no dataset_info'
    if not isinstance(raw, dict):
        return f'is {raw!r}, and not a dict'
    missing = [key for key in _KEYS if key not in raw]
    if missing:
        return f'lacks {", ".join(missing)}'
    points = raw['keypoint_info']
    if not isinstance(points, dict):
        return 'has keypoint_info that is not a dict of numbers and keypoints'
    names = [str(point.get('name')) for point in points.values()]
    word = error.args[0] if error.args else error
    if isinstance(error, KeyError) and word in ('name', 'link'):
        return f'has an entry without {word!r}'
    if isinstance(error, KeyError):
        return (
            f'names {word!r} in a swap or in a link of the skeleton, which '
            f'is none of its keypoints{suggest(str(word), names)}'
        )
    return f'cannot be read: {error}'


def _check(parsed: dict[str, Any], place: str) -> Iterator[Finding]:
    names = parsed.get('keypoint_id2name')
    if not names:
        return
    number, ids = len(names), list(names)
    if parsed['num_keypoints'] != number or (
        len(parsed['keypoint_name2id']) != number
    ):
        known = list(names.values())
        twice = sorted({name for name in known if known.count(name) > 1})
        yield Finding(
            f'{place} has keypoints of the same name: {", ".join(twice)}',
            'give each its own',
            entry=place,
        )
        return
    if ids != list(range(number)):
        wrong = next(i for i, key in enumerate(ids) if key != i)
        yield Finding(
            f'{place}: keypoint_info is not numbered 0, 1, 2 ...: number '
            f'{wrong} is {ids[wrong]!r}',
            'give its entries these numbers, without a gap',
            entry=place,
        )
        return
    yield from _check_swaps(list(names.values()), parsed, place)
    weights = len(parsed['dataset_keypoint_weights'])
    if weights != number:
        yield Finding(
            f'{place} has {weights} joint_weights for {number} keypoints',
            'they are wrong where use_dataset_keypoint_weights is set',
            entry=place,
            level='warning',
        )


def _check_swaps(
    names: list[str], parsed: dict[str, Any], place: str
) -> Iterator[Finding]:
    flip = parsed['flip_indices']
    for index, other in enumerate(flip):
        if flip[other] != index:
            back = flip[other]
            says = 'none' if back == other else f'"{names[back]}"'
            yield Finding(
                f'{place}: "{names[index]}" has the swap "{names[other]}", '
                f'whose own swap is {says}',
                'the two have to name each other: a flipped image would '
                'have wrong keypoints',
                entry=place,
            )
            return
    known = {parse_name(name): name for name in names}
    kept = []
    for index, other in enumerate(flip):
        name = parse_name(names[index])
        same_side = parse_name(names[other]).side == name.side
        if name.side and same_side and name.mirrored in known:
            kept.append(f'"{names[index]}" to "{names[other]}"')
    if kept:
        yield Finding(
            f'{place}: a flip takes {", ".join(kept[:3])}'
            + (f' and {len(kept) - 3} more' if len(kept) > 3 else '')
            + ', which is not the other side',
            'name left and right in each other\'s "swap"',
            entry=place,
            level='warning',
        )


def check_sigmas(
    metainfo: dict[str, Any], data_set: DataSet, metric: str
) -> Iterator[Finding]:
    """Looks at what the evaluation of COCO divides by.

    Args:
        metainfo (dict): As it was parsed.
        data_set (DataSet): Whose it is.
        metric (str): Dotted path of the metric.
    """
    sigmas = np.atleast_1d(metainfo.get('sigmas', ()))
    number = metainfo.get('num_keypoints')
    place = f'{data_set.path}.metainfo'
    if len(sigmas) != number:
        yield Finding(
            f'{place} has {len(sigmas)} sigmas for {number} keypoints, and '
            f'{metric} needs one of each',
            entry=place,
        )
    elif not (sigmas > 0).all():
        wrong = int(np.flatnonzero(~(sigmas > 0))[0])
        yield Finding(
            f'{place}: sigmas[{wrong}] is {sigmas[wrong]}, and {metric} '
            'divides by it',
            entry=place,
        )
