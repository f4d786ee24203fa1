"""Keypoint annotations (human and animal pose)."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import (
    check_exists,
    check_named,
    check_prefix,
)
from mmuniformer.checks.finding import Finding, few
from mmuniformer.checks.keypoints.boxes import check_box_file
from mmuniformer.checks.keypoints.codecs import check_codecs
from mmuniformer.checks.keypoints.files import Seen, look
from mmuniformer.checks.keypoints.forms import PARTS, forms_of
from mmuniformer.checks.keypoints.images import check_images
from mmuniformer.checks.keypoints.metainfo import metainfo_of, parse
from mmuniformer.checks.keypoints.metrics import check_metrics
from mmuniformer.checks.keypoints.mpii import check_mpii, is_mpii
from mmuniformer.checks.keypoints.names import compare_names
from mmuniformer.checks.keypoints.numbers import check_numbers, wrappers
from mmuniformer.checks.summary import Summary


def check_keypoints(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at keypoints: of data sets, of heads, of files, of metrics.

    Args:
        cfg (Config): Only its data sets of mmpose are looked at.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to decode every image as well.
    """
    told = set()
    for data_set in data_sets(cfg, phases):
        if data_set.host != 'mmpose':
            continue
        for finding in _check_data_set(cfg, data_set, decode):
            # Validation and test mostly share their file.
            what = finding.what.replace(data_set.path, '')
            if what not in told:
                told.add(what)
                yield finding


def _check_data_set(
    cfg: Config, data_set: DataSet, decode: bool
) -> Iterator[Finding]:
    metainfo, findings = metainfo_of(data_set)
    yield from findings
    if any(finding.level == 'error' for finding in findings):
        return
    # The metrics are told that of what the loader holds.
    outer = metainfo
    for path, node in reversed([*wrappers(cfg, data_set)]):
        if 'metainfo' in node:
            outer, findings = parse(_parser(), node['metainfo'], path)
            yield from findings
    number = (metainfo or {}).get('num_keypoints')
    if not number:
        return
    yield from check_numbers(cfg, data_set, number)
    yield from check_codecs(cfg, data_set)
    if outer:
        yield from check_metrics(cfg, data_set, outer)
    if is_mpii(data_set):
        yield from check_mpii(data_set, number)
    else:
        yield from _check_file(data_set, metainfo)
        prefix = list(check_prefix(data_set))
        yield from prefix
        if prefix:
            return
        yield from check_images(cfg, data_set, number, decode)


def _parser() -> Any:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return parse_pose_metainfo


def _check_file(
    data_set: DataSet, metainfo: dict[str, Any]
) -> Iterator[Finding]:
    path = data_set.ann_file
    forms = forms_of(data_set)
    if not forms:
        return
    yield from check_named(data_set)
    if path is None:
        return
    if not path.is_file():
        yield from check_exists(path, data_set.path, 'ann_file')
        return
    number = metainfo['num_keypoints']
    names = [metainfo['keypoint_id2name'][i] for i in range(number)]
    seen = look(path, forms, number)
    if seen.unread:
        yield from (Finding(**finding) for finding in seen.unread)
        return
    if 'keypoints' in forms[0].points:
        yield from _check_names(path, seen, names, data_set)
        if not forms[0].points['keypoints']:
            yield from _check_number_of_names(path, seen, number)
    if data_set.node.get('bbox_file'):
        # Its annotations are read by the metric alone.
        yield from check_box_file(data_set, read_coco(path).content)
        return
    yield from _tell(path, seen, number)
    yield from _check_relative(path, seen)
    yield from _check_left(path, seen, data_set)
    if data_set.phase == 'train' and seen.samples:
        never = [names[i] for i, n in enumerate(seen.visible) if not n]
        if never:
            yield Finding(
                f'{path} never labels {len(never)} of {number} keypoints: '
                f'{few(never)}',
                file=str(path),
                level='note',
            )


def _check_names(
    path: Path, seen: Seen, names: list[str], data_set: DataSet
) -> Iterator[Finding]:
    for category, theirs in seen.names:
        misplaced, unlike = compare_names(theirs, names)
        wrong = sorted([*misplaced, *unlike])
        if not wrong:
            continue
        compared = min(len(theirs), len(names))
        bad = bool(misplaced) or 2 * len(unlike) > compared
        shown = [
            f'{i} is "{theirs[i]}" in the file and "{names[i]}" in metainfo'
            for i in wrong
        ]
        yield Finding(
            f'{path}: names of keypoints of category "{category}" are not '
            f'those of {data_set.path}.metainfo: {few(shown)}',
            'give the data set the metainfo of these keypoints, in the order '
            'of the file: swaps of a flip and sigmas go with the names',
            file=str(path),
            entry=f'category {category}',
            level='error' if bad else 'warning',
        )


def _check_number_of_names(
    path: Path, seen: Seen, number: int
) -> Iterator[Finding]:
    for category, theirs in seen.names:
        if len(theirs) != number:
            yield Finding(
                f'{path} names {len(theirs)} keypoints of category '
                f'"{category}", and metainfo {number}',
                'the numbers of the annotations decide; names are not read',
                file=str(path),
                entry=f'category {category}',
                level='note',
            )


def _check_relative(path: Path, seen: Seen) -> Iterator[Finding]:
    if 0 < seen.largest <= 1 and not seen.tiny:
        yield Finding(
            f'{path}: no visible keypoint has a coordinate above 1',
            'multiply them by the size of the image: mmpose reads pixels',
            file=str(path),
        )


def _check_left(
    path: Path, seen: Seen, data_set: DataSet
) -> Iterator[Finding]:
    if seen.samples:
        return
    bottomup = data_set.node.get('data_mode') == 'bottomup'
    if bottomup and data_set.node.get('test_mode'):
        return
    what = f'{path} has no annotations'
    mend = 'use a file that has them'
    if data_set.node.get('test_mode'):
        mend += ', or name detected boxes by bbox_file'
    if seen.entries:
        what = (
            f'{path}: nothing is left of {seen.entries} annotations: all are '
            'crowds or without box or visible keypoints'
        )
        mend = ''
    yield Finding(what, mend, file=str(path))


# By code: level, what (with {n} annotations and {d}, the code's detail), mend.
_TEXTS = {
    'image-lacks': ('error', 'images lack {d}', 'mmpose reads it'),
    'image-size': ('error', 'images have a {d} that is no size', ''),
    'image-id': (
        'error',
        'images have ids that are text',
        'number them: mmpose computes with them',
    ),
    'image-twice': ('error', 'ids belong to several images', ''),
    'entry-twice': (
        'error',
        'ids belong to several annotations',
        'number them anew: only the last of them would be read',
    ),
    'category': (
        'warning',
        'annotations have a category_id of no category',
        'they are never scored',
    ),
    'no-image': (
        'warning',
        'annotations have an image_id of no image and are not used',
        '',
    ),
    'lacks': ('error', 'annotations lack {d}', 'mmpose reads it'),
    'passed-over': (
        'warning',
        'annotations without {d} are passed over',
        '',
    ),
    'no-numbers': (
        'error',
        'annotations have something else than numbers in {d}',
        'x, y and visibility of each keypoint belong there',
    ),
    'not-finite': (
        'error',
        'annotations have keypoints that are NaN or infinite',
        'write 0, 0, 0 for a keypoint that is not labelled',
    ),
    'visibility': (
        'warning',
        'annotations have a visibility other than 0, 1 and 2',
        '0 is not labelled, 1 hidden and 2 visible',
    ),
    'far': (
        'warning',
        'annotations have visible keypoints far outside their image',
        '',
    ),
    'outside': (
        'note',
        'annotations have visible keypoints outside their image',
        '',
    ),
    'no-box': (
        'error',
        'annotations have no four finite numbers in {d}',
        'x, y, width and height of the box belong there',
    ),
    'box': (
        'warning',
        'annotations with keypoints are left out: their box is empty or '
        'outside its image',
        '',
    ),
    'all-zero': (
        'warning',
        'annotations with num_keypoints above 0 are left out: all their '
        'keypoints are at 0',
        '',
    ),
    'counted-none': (
        'warning',
        'annotations with visible keypoints are left out: their '
        'num_keypoints is 0',
        '',
    ),
    'counted-wrong': (
        'note',
        'annotations have a num_keypoints that is not the number of their '
        'visible keypoints',
        '',
    ),
}


def _tell(path: Path, seen: Seen, number: int) -> Iterator[Finding]:
    for problem, (count, labels) in seen.problems.items():
        code, _, detail = problem.partition(' ')
        if code == 'numbers':
            level, mend = 'error', ''
            key, _, numbers = detail.partition(' ')
            what = f'annotations have {numbers} numbers in {key}, not '
            what += _wanted(key, number)
        else:
            level, what, mend = _TEXTS[code]
            what = what.format(d=detail)
        yield Finding(
            f'{path}: {count} {what} ({few(labels)})',
            mend,
            file=str(path),
            entry=labels[0].partition(':')[0],
            level=level,
        )


def _wanted(key: str, number: int) -> str:
    if number == sum(PARTS.values()):
        number = PARTS.get(key, number)
    return f'{3 * number} (x, y and visibility of {number} keypoints)'


def summary(data_set: DataSet) -> Summary | None:
    """Figures of a data set: how often each keypoint is labelled.

    None if it is none of mmpose, or if its file cannot be read.
    """
    if data_set.host != 'mmpose':
        return None
    metainfo, findings = metainfo_of(data_set)
    wrong = any(finding.level == 'error' for finding in findings)
    forms, path = forms_of(data_set), data_set.ann_file
    number = (metainfo or {}).get('num_keypoints')
    if not (number and forms and path) or wrong or is_mpii(data_set):
        return None
    if any(check_prefix(data_set)):
        return None
    seen = look(path, forms, number)
    if seen.unread:
        return None
    prefix = (data_set.node.get('data_prefix') or {}).get('img', '')
    folder = data_set.below_root(prefix)
    names = metainfo['keypoint_id2name']
    visible = seen.visible or [0] * number
    return Summary(
        data_set.path,
        data_set.phase,
        'keypoints',
        samples=seen.samples,
        classes={names[i]: visible[i] for i in range(number)},
        sizes=Counter((w, h) for _, w, h, _ in seen.images),
        files=[folder / name for name, *_ in seen.images],
    )
