"""Keypoints of files in COCO's form, in one pass over the annotations."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from mmuniformer.checks import scan
from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.keypoints.forms import Form

# Annotations that are looked at together: some MB of numbers.
_CHUNK = 1000
# Of the labels of a problem: one more than a message names.
_KEPT = 4
# Further from an image than this part of its size, a keypoint is a mistake.
_FAR = 0.5
# Whole numbers of JSON have no end, and float64 has.
_LARGEST = 2**1000


@dataclass
class Seen:
    """What a pass found; values of JSON.

    Attributes:
        samples (int): Instances that can be trained on.
        entries (int): Annotations that were looked at.
        problems (dict[str, list]): By a code and its detail, ``'numbers
            keypoints 50'``: how many, and the first few.
        visible (list[int]): Of each keypoint, how often it is labelled.
        largest (float): The largest coordinate of a visible keypoint; -1 if
            there is none.
        names (list[list]): Of each list of names of keypoints, a category
            that has it and the names.
        tiny (bool): Whether an image is at most two pixels wide.
        images (list[list]): File, width and height (None if not told) of each
            image, and whether an annotation is of it.
        unread (list[dict]): The findings of a file that cannot be read.
    """

    samples: int = 0
    entries: int = 0
    problems: dict[str, list] = field(default_factory=dict)
    visible: list[int] = field(default_factory=list)
    largest: float = -1.0
    names: list[list] = field(default_factory=list)
    tiny: bool = False
    images: list[list] = field(default_factory=list)
    unread: list[dict[str, str]] = field(default_factory=list)

    def add(self, problem: str, labels: Iterable[str]) -> None:
        """Notes a problem of some entries."""
        for label in labels:
            entry = self.problems.setdefault(problem, [0, []])
            entry[0] += 1
            if len(entry[1]) < _KEPT:
                entry[1].append(label)

    def merge(self, other: 'Seen') -> None:
        """Takes over what another part of the file has."""
        self.samples += other.samples
        self.entries += other.entries
        self.largest = max(self.largest, other.largest)
        if other.visible:
            before = self.visible or [0] * len(other.visible)
            self.visible = np.add(before, other.visible).tolist()
        for problem, (count, labels) in other.problems.items():
            entry = self.problems.setdefault(problem, [0, []])
            entry[0] += count
            entry[1] = (entry[1] + labels)[:_KEPT]


def look(path: Path, forms: Sequence[Form], number: int) -> Seen:
    """Looks at all annotations of a file, or takes it from the cache.

    Args:
        path (Path): The file. It is not even read if it was seen before.
        forms (Sequence[Form]): How the data set reads it.
        number (int): Keypoints of the data set.
    """
    about = ['keypoints', [repr(form) for form in forms], number]
    found = scan.remembered(
        [path], about, lambda: vars(_look(path, forms, number))
    )
    return Seen(**found)


def _look(path: Path, forms: Sequence[Form], number: int) -> Seen:
    read = read_coco(path)
    if read.content is None:
        return Seen(unread=[asdict(finding) for finding in read.findings])
    annotations = read.content.get('annotations', [])
    seen = _look_at_entries(path, forms)
    seen.names = _names(read.content)
    seen.images = _files(read.content)
    widths = [i.get('width') for i in read.content.get('images', [])]
    seen.tiny = any(_number(width) <= 2 for width in widths)
    # Anew, as the file may be, and before processes are started: each has it.
    _images.cache_clear()
    _images(path)
    starts = range(0, len(annotations), _CHUNK)
    for index, form in enumerate(forms):
        work = partial(_look_at_chunk, path, form, number)
        for part in scan.each(work, starts, f'Keypoints of {path.name}'):
            if index:
                # The same annotations, counted before.
                part.entries = 0
            seen.merge(part)
    return seen


@lru_cache(maxsize=2)
def _images(path: Path) -> dict[Any, dict]:
    images = read_coco(path).content.get('images', [])
    return {_key(image.get('id')): image for image in images}


def _key(value: Any) -> Any:
    """An id that is a list is none."""
    return value if isinstance(value, (int, float, str)) else repr(value)


def _label(entry: dict) -> str:
    return f'annotation {entry.get("id", "without id")}'


def _look_at_entries(path: Path, forms: Sequence[Form]) -> Seen:
    """What concerns ids, images and categories."""
    content = read_coco(path).content
    seen = Seen()
    images = content.get('images', [])
    for image in images:
        label = f'image {image.get("id", image.get("file_name"))}'
        for key in ('id', *forms[0].image):
            if key not in image:
                seen.add(f'image-lacks {key}', [label])
            elif key in ('width', 'height') and not _positive(image[key]):
                seen.add(f'image-size {key}', [f'{label}: {image[key]!r}'])
        if isinstance(image.get('id'), str) and not forms[0].text_ids:
            seen.add('image-id', [label])
    ids = {_key(image.get('id')) for image in images}
    seen.add('image-twice', [f'image {key}' for key in _twice(images)])
    entries = content.get('annotations', [])
    categories = {_key(c.get('id')) for c in content.get('categories', [])}
    seen.add('entry-twice', [f'annotation {key}' for key in _twice(entries)])
    for entry in entries:
        if 'image_id' in entry and _key(entry['image_id']) not in ids:
            seen.add('no-image', [f'{_label(entry)}: {entry["image_id"]!r}'])
        category = entry.get('category_id')
        known = (
            category is None
            or not categories
            or (_key(category) in categories)
        )
        if not known:
            seen.add('category', [f'{_label(entry)}: {category!r}'])
    return seen


def _twice(parts: Iterable[dict]) -> list:
    ids = Counter(_key(part['id']) for part in parts if 'id' in part)
    return [key for key, count in ids.items() if count > 1]


def _files(content: dict) -> list[list]:
    entries = content.get('annotations', [])
    used = {_key(entry.get('image_id')) for entry in entries}
    return [
        [
            str(image['file_name']),
            image.get('width'),
            image.get('height'),
            _key(image.get('id')) in used,
        ]
        for image in content.get('images', [])
        if 'file_name' in image
    ]


def _names(content: dict) -> list[list]:
    lists: dict[tuple[str, ...], str] = {}
    for category in content.get('categories', []):
        names = category.get('keypoints')
        if names and all(isinstance(name, str) for name in names):
            name = str(category.get('name', category.get('id')))
            lists.setdefault(tuple(names), name)
    return [[name, list(names)] for names, name in lists.items()]


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _look_at_chunk(path: Path, form: Form, number: int, start: int) -> Seen:
    content = read_coco(path).content
    entries = content['annotations'][start : start + _CHUNK]
    without = _categories_without_keypoints(content)
    seen = Seen(entries=len(entries))
    keys = {'id', 'image_id', *form.keys}
    if form.categories and 'categories' in content:
        keys.add('category_id')
    read = []
    images = _images(path)
    for entry in entries:
        lacking = keys - entry.keys()
        for key in sorted(lacking):
            seen.add(f'lacks {key}', [_label(entry)])
        if form.flag and form.flag not in entry:
            seen.add(f'lacks {form.flag}', [_label(entry)])
            continue
        if form.flag and not entry[form.flag]:
            continue
        over = [key for key in form.passes if key not in entry]
        if over:
            # Things besides people in the same file are nobody's mistake.
            if _key(entry.get('category_id')) not in without:
                seen.add(f'passed-over {over[0]}', [_label(entry)])
            continue
        absent = {form.box, *form.points} - entry.keys() - {''}
        for key in sorted(absent - lacking):
            seen.add(f'lacks {key}', [_label(entry)])
        lacking |= absent
        if not lacking and _key(entry['image_id']) in images:
            read.append(entry)
    _look_at_numbers(path, form, number, read, seen)
    return seen


def _categories_without_keypoints(content: dict) -> set:
    categories = content.get('categories', [])
    without = {_key(c.get('id')) for c in categories if not c.get('keypoints')}
    return without if len(without) < len(categories) else set()


def _look_at_numbers(
    path: Path, form: Form, number: int, entries: list[dict], seen: Seen
) -> None:
    points, entries = _points(form, number, entries, seen)
    if not entries:
        return
    labels = np.array([_label(entry) for entry in entries])
    places, visible = points[..., :2], points[..., 2]
    finite = np.isfinite(points).all(axis=(1, 2))
    seen.add('not-finite', labels[~finite])
    odd = ~np.isin(visible, (0, 1, 2)) & np.isfinite(visible)
    if len(form.points) > 1:
        # COCO-WholeBody asks only whether it is above 0.
        odd &= visible < 0
    for index in np.flatnonzero(odd.any(axis=1)):
        value = visible[index][odd[index]][0]
        seen.add('visibility', [f'{labels[index]}: {value:g}'])
    shown = (visible > 0) & np.isfinite(places).all(axis=-1)
    seen.visible = shown.sum(axis=0).tolist()
    if shown.any():
        seen.largest = float(places[shown].max())
    images = _images(path)
    sizes = [images[_key(entry['image_id'])] for entry in entries]
    sizes = np.array([
        [_number(image.get(key)) for key in ('width', 'height')]
        for image in sizes
    ])  # fmt: skip
    _look_at_borders(places, shown, sizes, labels, seen)
    boxes = _boxes(form, entries, labels, seen)
    crowd = np.array([bool(entry.get('iscrowd')) for entry in entries])
    count, told = _counts(form, entries, places)
    nothing = np.where(np.isnan(places), -1, places).max(axis=(1, 2)) <= 0
    usable = ~crowd & (count != 0)
    box_used = np.ones(len(entries), dtype=bool)
    if form.box:
        box_used = _box_used(form, boxes, sizes)
        wrong = usable & ~nothing & ~box_used & np.isfinite(boxes).all(axis=1)
        for index in np.flatnonzero(wrong):
            seen.add('box', [f'{labels[index]}: {boxes[index].tolist()}'])
    seen.add('all-zero', labels[usable & nothing & told])
    body = visible[:, : next(iter(form.points.values())) or number]
    full, clear = (body > 0).sum(axis=1), (body >= 2).sum(axis=1)
    hidden = told & (count == 0) & (clear > 0) & ~crowd
    seen.add('counted-none', labels[hidden])
    wrong = told & (count != 0) & (count != full) & (count != clear)
    # It counts those of the body, whatever else is read.
    wrong &= ~crowd & ~nothing & ('keypoints' in form.points)
    for index in np.flatnonzero(wrong):
        text = f'{labels[index]}: {count[index]:g}, not {full[index]}'
        seen.add('counted-wrong', [text])
    seen.samples = int((usable & ~nothing & box_used).sum())


def _points(
    form: Form, number: int, entries: list[dict], seen: Seen
) -> tuple[np.ndarray, list[dict]]:
    """Keypoints, (N, K, 3), and the annotations that have so many."""
    rows, kept = [], []
    lengths = {key: 3 * (n or number) for key, n in form.points.items()}
    for entry in entries:
        row: list = []
        for key, length in lengths.items():
            value = entry[key]
            if not isinstance(value, list):
                seen.add(f'no-numbers {key}', [f'{_label(entry)}: {value!r}'])
            elif len(value) != length:
                seen.add(f'numbers {key} {len(value)}', [_label(entry)])
            else:
                row += value
        if len(row) == sum(lengths.values()):
            rows.append(row)
            kept.append(entry)
    try:
        array = np.array(rows, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        good = [index for index, row in enumerate(rows) if _is_numeric(row)]
        bad = [e for i, e in enumerate(kept) if i not in set(good)]
        keys = ' '.join(form.points)
        seen.add(f'no-numbers {keys}', [_label(entry) for entry in bad])
        kept = [kept[index] for index in good]
        array = np.array([rows[index] for index in good], dtype=np.float64)
    return array.reshape(len(kept), sum(lengths.values()) // 3, 3), kept


def _is_numeric(row: list) -> bool:
    return all(
        isinstance(value, float)
        or (isinstance(value, int) and abs(value) < _LARGEST)
        for value in row
    )


def _number(value: Any) -> float:
    return float(value) if _is_numeric([value]) else np.nan


def _look_at_borders(
    places: np.ndarray,
    shown: np.ndarray,
    sizes: np.ndarray,
    labels: np.ndarray,
    seen: Seen,
) -> None:
    """Notes visible keypoints outside; images of unknown size have none."""
    size = sizes[:, None, :]
    with np.errstate(invalid='ignore'):
        beyond = np.maximum(-places, places - size).max(axis=-1)
        far = np.maximum(-places / size, places / size - 1).max(axis=-1)
        # Programs that count pixels from 1 reach one further.
        outside = shown & (beyond > 1)
        far = outside & (far > _FAR)
    for code, wrong in (('far', far), ('outside', outside & ~far)):
        for index in np.flatnonzero(wrong.any(axis=1)):
            point = int(np.flatnonzero(wrong[index])[0])
            x, y = places[index, point]
            width, height = sizes[index]
            text = (
                f'{labels[index]}: keypoint {point} at ({x:g}, {y:g}) of '
                f'{width:g}x{height:g}'
            )
            seen.add(code, [text])


def _boxes(
    form: Form, entries: list[dict], labels: np.ndarray, seen: Seen
) -> np.ndarray:
    """Boxes, (N, 4), as x, y, width, height; NaN where they are none."""
    boxes = np.full((len(entries), 4), np.nan)
    if not form.box:
        return boxes
    for index, entry in enumerate(entries):
        box = entry[form.box]
        if isinstance(box, list) and len(box) == 4 and _is_numeric(box):
            boxes[index] = box
            if np.isfinite(boxes[index]).all():
                continue
        seen.add(f'no-box {form.box}', [f'{labels[index]}: {box!r}'])
    return boxes


def _box_used(form: Form, boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    if form.clips:
        limits = np.where(np.isnan(sizes), np.inf, sizes - 1)[:, None]
        corners = np.clip(corners, 0, limits)
    with np.errstate(invalid='ignore'):
        return (corners[:, 1] - corners[:, 0] > 0).all(axis=1)


def _counts(
    form: Form, entries: list[dict], places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of keypoints as mmpose has them, and which a file tells."""
    count = (np.nan_to_num(places).max(axis=2) != 0).sum(axis=1).astype(float)
    told = np.zeros(len(entries), dtype=bool)
    for index, entry in enumerate(entries):
        value = entry.get(form.counted) if form.counted else None
        if isinstance(value, (int, float)):
            told[index], count[index] = True, value
    return count, told
