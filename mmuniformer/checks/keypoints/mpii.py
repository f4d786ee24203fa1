"""Annotations of MPII, which are not in COCO's form."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmuniformer.checks.coco_file import what_is_no_json
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding, few

_KEYS = ('image', 'center', 'scale', 'joints', 'joints_vis')


def is_mpii(data_set: DataSet) -> bool:
    """Whether a data set reads the list of MPII."""
    return any(
        base.__name__ == 'MpiiDataset'
        and base.__module__.startswith('mmpose.')
        and data_set.kind._load_annotations is base._load_annotations
        for base in data_set.kind.__mro__
    )


def check_mpii(data_set: DataSet, number: int) -> Iterator[Finding]:
    """Looks at the list of people and at the boxes of their heads.

    Args:
        data_set (DataSet): One that :func:`is_mpii`.
        number (int): How many keypoints it has.
    """
    path = data_set.ann_file
    if path is None:
        return
    if not path.is_file():
        yield from check_exists(path, data_set.path, 'ann_file')
        return
    try:
        people = json.loads(path.read_text(encoding='utf-8'))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        what, mend = what_is_no_json(error)
        yield Finding(f'{path} {what}', mend, file=str(path))
        return
    if not isinstance(people, list) or not all(
        isinstance(person, dict) for person in people
    ):
        yield Finding(
            f'{path} is not a list of people, as MPII has it',
            f'each is a dict of {", ".join(_KEYS)}',
            file=str(path),
        )
        return
    if not people:
        yield Finding(f'{path} has no people', file=str(path))
        return
    wrong: dict[str, list[str]] = {}
    for index, person in enumerate(people):
        for what in _wrong(person, number):
            wrong.setdefault(what, []).append(f'entry {index}')
    for what, labels in wrong.items():
        yield Finding(
            f'{path}: {len(labels)} people {what} ({few(labels)})',
            file=str(path),
            entry=labels[0],
        )
    yield from _check_headboxes(data_set, len(people))


def _wrong(person: dict, number: int) -> Iterator[str]:
    lacking = [key for key in _KEYS if key not in person]
    if lacking:
        yield f'lack {", ".join(lacking)}'
        return
    if not str(person['image']).partition('.')[0].isdigit():
        yield 'have an image whose name is no number'
    for key, shape in (
        ('joints', (number, 2)),
        ('joints_vis', (number,)),
        ('center', (2,)),
        ('scale', ()),
    ):
        try:
            values = np.array(person[key], dtype=float)
        except (TypeError, ValueError):
            yield f'have something else than numbers in {key}'
            continue
        if values.shape != shape:
            size = 'x'.join(map(str, values.shape)) or 'one'
            wanted = 'x'.join(map(str, shape)) or 'one'
            yield f'have {size} numbers in {key}, not {wanted}'
        elif not np.isfinite(values).all():
            yield f'have NaN or infinite numbers in {key}'


def _check_headboxes(data_set: DataSet, people: int) -> Iterator[Finding]:
    file = data_set.node.get('headbox_file')
    if not file or '://' in str(file):
        return
    from scipy.io import loadmat

    # It is not looked for below data_root.
    path = Path(file)
    place = f'{data_set.path}.headbox_file'
    if not path.is_file():
        yield Finding(f'{path} ({place}) does not exist', file=str(path))
        return
    try:
        boxes = loadmat(path)['headboxes_src']
    except KeyError:
        yield Finding(f'{path} has no headboxes_src', file=str(path))
        return
    except (OSError, TypeError, ValueError, NotImplementedError) as error:
        yield Finding(f'{path} is no .mat: {error}', file=str(path))
        return
    if boxes.shape != (2, 2, people):
        yield Finding(
            f'{path}: headboxes_src is of shape {boxes.shape}, and '
            f'{data_set.ann_file} has {people} people',
            f'(2, 2, {people}) is needed, a box for each',
            file=str(path),
        )
