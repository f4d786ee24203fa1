"""Files of detected boxes, which top-down models are tested on."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmuniformer.checks.coco_file import what_is_no_json
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding, few

# mmpose takes boxes of this category alone.
_PERSON = 1


def check_box_file(data_set: DataSet, content: dict) -> Iterator[Finding]:
    """Looks at ``bbox_file`` of a data set.

    Args:
        data_set (DataSet): It has one.
        content (dict): Of its annotation file.
    """
    place = f'{data_set.path}.bbox_file'
    if not data_set.node.get('test_mode'):
        yield Finding(
            f'{place} is for tests alone',
            f'set {data_set.path}.test_mode=True, or leave bbox_file out',
            entry=place,
        )
        return
    file = str(data_set.node['bbox_file'])
    if '://' in file:
        return
    # Unlike the annotation file, it is not looked for below data_root.
    path = Path(file)
    if not path.is_file():
        below = data_set.below_root(file)
        mend = f'write {below}' if below.is_file() else ''
        yield Finding(f'{path} ({place}) does not exist', mend, file=file)
        return
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        what, mend = what_is_no_json(error)
        yield Finding(f'{path} {what}', mend, file=file)
        return
    is_list = isinstance(results, list)
    if not is_list or not all(isinstance(r, dict) for r in results):
        yield Finding(
            f'{path} is not a list of detected boxes',
            'each is a dict of image_id, category_id, bbox and score',
            file=file,
        )
        return
    yield from _check_annotations(data_set, content)
    yield from _check_boxes(path, results, content, data_set)


def _check_annotations(data_set: DataSet, content: dict) -> Iterator[Finding]:
    """What is read of the annotation file for the boxes."""
    file = str(data_set.ann_file)
    if 'categories' not in content:
        yield Finding(f'{file} has no categories', file=file)
    for key in ('id', 'file_name', 'width', 'height'):
        lacking = [
            str(image.get('file_name', image.get('id')))
            for image in content.get('images', [])
            if key not in image
        ]
        if lacking:
            yield Finding(
                f'{file}: {len(lacking)} images lack {key} ({few(lacking)})',
                'mmpose reads it',
                file=file,
            )


def _check_boxes(
    path: Path, results: list[dict], content: dict, data_set: DataSet
) -> Iterator[Finding]:
    ids = {str(image.get('id')) for image in content.get('images', [])}
    exact = {repr(image.get('id')) for image in content.get('images', [])}
    wrong: dict[str, list[str]] = {}
    used = 0
    video = data_set.name == 'PoseTrack18VideoDataset'
    for number, result in enumerate(results):
        label = f'entry {number}'
        if 'category_id' not in result:
            wrong.setdefault('lack category_id', []).append(label)
            continue
        if result['category_id'] != _PERSON:
            continue
        used += 1
        image = result.get('image_id')
        named = video and 'image_name' in result
        for key in ('bbox', 'score', *(() if named else ('image_id',))):
            if key not in result:
                wrong.setdefault(f'lack {key}', []).append(label)
        if 'bbox' in result and not _is_box(result['bbox']):
            text = f'{label}: {result["bbox"]!r}'
            wrong.setdefault('have no four finite numbers in bbox', []).append(
                text
            )
        if named or 'image_id' not in result or repr(image) in exact:
            continue
        kind = 'have an image_id of no image of {}'
        if str(image) in ids:
            kind = 'have an image_id of another type than the images of {}'
        kind = kind.format(data_set.ann_file)
        wrong.setdefault(kind, []).append(f'{label}: {image!r}')
    for what, labels in wrong.items():
        yield Finding(
            f'{path}: {len(labels)} boxes {what} ({few(labels)})',
            file=str(path),
            entry=labels[0].partition(':')[0],
        )
    if not used:
        found = Counter(result.get('category_id') for result in results)
        kinds = ', '.join(str(key) for key, _ in found.most_common(3))
        yield Finding(
            f'{path} has no box of category_id {_PERSON}'
            + (f', but of {kinds}' if results else ''),
            'mmpose tests on those alone',
            file=str(path),
        )


def _is_box(box: Any) -> bool:
    try:
        numbers = np.array(box[:4], dtype=float)
    except (TypeError, ValueError):
        return False
    return numbers.shape == (4,) and bool(np.isfinite(numbers).all())
