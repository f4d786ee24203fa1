"""Evaluators that read a file of COCO's form beside the data set."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.coco_file import CocoFile, read_coco
from mmuniformer.checks.data_sets import DataSet, data_sets, evaluators
from mmuniformer.checks.detection.table import Reading, image_name, is_row
from mmuniformer.checks.finding import Finding, few
from mmuniformer.checks.images import is_local
from mmuniformer.nodes import type_name, walk

# They hand the file to pycocotools' evaluation of boxes and masks.
_OF_BOXES = ('CocoMetric',)
_HOSTS = ('mmdet', 'mmpose')
# No box is that large: NaN and infinity are told elsewhere.
_BEYOND = 1e9


def metrics_on(cfg: Config, data_set: DataSet) -> tuple[str, ...]:
    """What is evaluated of a data set from its own file."""
    found: list[str] = []
    if data_set.phase == 'train' or data_set.host != 'mmdet':
        return ()
    for _, node, path in _files(cfg, (data_set.phase,)):
        if _same(path, data_set.ann_file):
            found += _metrics(node)
    return tuple(sorted(set(found)))


def _metrics(node: dict) -> list[str]:
    """The metrics of a node that pycocotools works out from its file."""
    if type_name(node) not in _OF_BOXES or node.get('format_only'):
        return []
    metric = node.get('metric', 'bbox')
    return [metric] if isinstance(metric, str) else list(metric)


def _files(
    cfg: Config, phases: Collection[str]
) -> Iterator[tuple[str, dict, Path]]:
    """Dotted path, node and local file of the evaluators that name one."""
    for phase in phases:
        for _, place, top in evaluators(cfg, (phase,)):
            for path, node in walk(top, place):
                file = node.get('ann_file')
                if not isinstance(file, str) or not file.endswith('.json'):
                    continue
                if '://' in file or not is_local(node.get('backend_args')):
                    continue
                yield path, node, Path(file)


def _same(one: Path, other: Path | None) -> bool:
    if other is None:
        return False
    return one.resolve() == other.resolve()


def check_evaluators(
    cfg: Config,
    phases: Collection[str],
    look: Callable[[Path, Reading, bool], dict[str, Any]],
) -> Iterator[Finding]:
    """Looks whether evaluators are about the images of their data sets.

    Args:
        cfg (Config): It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
        look (Callable): Looks at the annotations of a file.
    """
    for phase in phases:
        if phase == 'train':
            continue
        sets = list(data_sets(cfg, (phase,)))
        if not sets or not all(s.host in _HOSTS for s in sets):
            continue
        for path, node, file in _files(cfg, (phase,)):
            yield from _check_evaluator(cfg, path, node, file, sets, look)


def _check_evaluator(
    cfg: Config,
    path: str,
    node: dict,
    file: Path,
    sets: list[DataSet],
    look: Callable,
) -> Iterator[Finding]:
    missing = list(_check_there(path, file, sets))
    if missing:
        yield from missing
        return
    several = type_name(cfg[path.partition('.')[0]]) == 'MultiDatasetEvaluator'
    same = [s for s in sets if _same(file, s.ann_file)]
    if same and (len(sets) == 1 or several):
        return
    content = read_coco(file)
    yield from content.findings
    if content.content is None:
        return
    if sets[0].host == 'mmdet' and _metrics(node) and not same:
        classes = sets[0].metainfo.get('classes')
        reading = Reading(
            'own',
            classes=tuple(classes) if classes else None,
            evaluated=tuple(_metrics(node)),
        )
        for values in look(file, reading, False)['findings']:
            yield Finding(**values)
    if not node.get('format_only'):
        yield from _check_images(path, content, sets, several)


def _check_there(
    path: str, file: Path, sets: list[DataSet]
) -> Iterator[Finding]:
    if file.is_file():
        return
    named = [s for s in sets if s.ann_file and s.ann_file.is_file()]
    below = [s for s in named if _same(s.below_root(file), s.ann_file)]
    if below:
        yield Finding(
            f'{file} does not exist: {path}.ann_file is not below data_root',
            f'set {path}.ann_file={below[0].ann_file}',
            str(file),
            f'{path}.ann_file',
        )
    else:
        yield Finding(
            f'{file} does not exist',
            f'name the file of the data set, {path}.ann_file='
            f'{named[0].ann_file if named else "..."}',
            str(file),
            f'{path}.ann_file',
        )


def _check_images(
    path: str, content: CocoFile, sets: list[DataSet], several: bool
) -> Iterator[Finding]:
    """Compares images by id and by the names of their files."""
    own = _images(content)
    tested: dict[Any, str] = {}
    for data_set in sets:
        file = data_set.ann_file
        if file is None or file.suffix != '.json' or not file.is_file():
            return
        other = read_coco(file)
        if other.content is None:
            return
        tested |= _images(other)
    names = ', '.join(str(s.ann_file) for s in sets)
    what = f'{path}.ann_file is {content.path}, and the data set reads {names}'
    mend = f'name the same file in {sets[0].path}.ann_file and {path}.ann_file'
    common = [i for i in tested if i in own]
    unlike = [i for i in common if own[i] != tested[i]]
    lacking = [i for i in tested if i not in own]
    if several and common:
        return
    if unlike:
        one = unlike[0]
        why = f'image {one!r} is {own[one]} in it, and {tested[one]} there'
        yield _unlike(f'{what}: {why}', mend, path, content)
    elif lacking:
        shown = few([repr(i) for i in lacking])
        why = f'{len(lacking)} tested images are not in it ({shown})'
        yield _unlike(f'{what}: {why}', mend, path, content)
    elif other := _other_boxes(content, sets):
        why = (
            'no image has a box that is in both, as '
            f'{tested.get(other[0], other[0])}'
        )
        yield _unlike(f'{what}: {why}', mend, path, content)
    elif len(own) > len(tested):
        number = len(own) - len(tested)
        why = f'{number} of its images are not tested, and count as missed'
        yield _unlike(f'{what}: {why}', mend, path, content, 'warning')


def _other_boxes(content: CocoFile, sets: list[DataSet]) -> list:
    """Ids of images with boxes in both files, if none has a box in common.

    Files of training and validation may count and name their images alike.
    """
    own, found = _boxes(content), []
    for data_set in sets:
        for image, boxes in _boxes(read_coco(data_set.ann_file)).items():
            if image in own:
                if own[image] & boxes:
                    return []
                found.append(image)
    return found


def _boxes(file: CocoFile) -> dict[Any, set[tuple]]:
    """Boxes of each image, to the pixel."""
    found: dict[Any, set[tuple]] = {}
    for annotation in file.content.get('annotations', []):
        box, image = annotation.get('bbox'), annotation.get('image_id')
        known = not isinstance(image, (list, dict))
        if known and is_row(box, 4) and all(abs(v) < _BEYOND for v in box):
            found.setdefault(image, set()).add(tuple(map(round, box)))
    return found


def _unlike(
    what: str, mend: str, path: str, content: CocoFile, level: str = 'error'
) -> Finding:
    return Finding(
        what, mend, str(content.path), f'{path}.ann_file', level=level
    )


def _images(file: CocoFile) -> dict[Any, str]:
    """Names of the files without folders, by id."""
    return {
        image.get('id'): Path(image_name(image, 0).replace('\\', '/')).name
        for image in file.content.get('images', [])
        if not isinstance(image.get('id'), (list, dict))
    }
