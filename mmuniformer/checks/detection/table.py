"""COCO annotations in columns, and whether they fit together."""

from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterator,
    Sequence,
)
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmuniformer.checks.finding import Finding, few


@dataclass(frozen=True)
class Reading:
    """How a library reads a file, as far as it decides what is wrong.

    Attributes:
        form ('coco', 'lvis', 'panoptic' or 'own'): Which entries are read:
            mmdet's data set of that name, or another that reads what it
            likes of them.
        file_key (str): The key of an image that names its file.
        classes (tuple[str, ...] or None): Names of the categories that are
            used; None for all.
        training (bool): Whether images are left out by the values below.
        filter_empty (bool): Images without a box of the classes are left out.
        filter_crowds (bool): So are those that have crowds alone.
        min_size (int): And those with a shorter side than that, in pixels.
        unique_ids (bool): Whether ids of annotations must be unique.
        masks ('none', 'polygons' or 'all'): Whether the pipeline loads masks,
            and whether of RLE too.
        evaluated (tuple[str, ...]): Metrics that pycocotools works out from
            the file itself, of 'bbox', 'segm' and 'proposal'.
    """

    form: Literal['coco', 'lvis', 'panoptic', 'own'] = 'coco'
    file_key: str = 'file_name'
    classes: tuple[str, ...] | None = None
    training: bool = False
    filter_empty: bool = False
    filter_crowds: bool = False
    min_size: int = 0
    unique_ids: bool = True
    masks: Literal['none', 'polygons', 'all'] = 'none'
    evaluated: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        return self.form == 'own'


class Table:
    """The annotations of a file, a column for each key.

    Args:
        path (Path): The file, for messages.
        content (dict): What it holds. Its entries have the keys that
            :func:`check_keys` asks for.
        reading (Reading): How it is read.

    Attributes:
        images, annotations, categories (list[dict]): The entries; of a
            panoptic file, ``annotations`` are the segments.
    """

    def __init__(self, path: Path, content: dict, reading: Reading) -> None:
        self.path = path
        self.reading = reading
        self.images: list[dict] = content.get('images', [])
        self.categories: list[dict] = content.get('categories', [])
        self.annotations: list[dict] = content.get('annotations', [])
        if reading.form == 'panoptic':
            self.annotations = [
                {**segment, 'image_id': annotation['image_id']}
                for annotation in self.annotations
                for segment in annotation['segments_info']
            ]

    def column(self, key: str, default: Any = None) -> list:
        """A value of each annotation."""
        return [a.get(key, default) for a in self.annotations]

    @cached_property
    def places(self) -> np.ndarray:
        """Index of the image of each annotation; -1 if it is not there."""
        known = {image['id']: i for i, image in enumerate(self.images)}
        found = [known.get(i, -1) for i in self.column('image_id')]
        return np.array(found, dtype=np.int64)

    @cached_property
    def read(self) -> np.ndarray:
        """Which annotations the library looks at."""
        if self.reading.form in ('panoptic', 'own'):
            return self.places >= 0
        ignored = np.array(self.column('ignore', False), dtype=bool)
        return (self.places >= 0) & ~ignored

    @cached_property
    def names(self) -> dict[Hashable, str]:
        """Names of the categories that are used, by id."""
        classes = self.reading.classes
        return {
            category['id']: str(category.get('name'))
            for category in self.categories
            if classes is None or category.get('name') in classes
        }

    @cached_property
    def wanted(self) -> np.ndarray:
        """Which annotations are read and of a category that is used."""
        names = self.names
        used = [i in names for i in self.column('category_id')]
        return self.read & np.array(used, dtype=bool)

    @cached_property
    def boxes(self) -> np.ndarray:
        """(N, 4) x, y, width and height; NaN where there are no numbers."""
        return _numbers(self.column('bbox'), 4)

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) areas; NaN where there is no number."""
        return _numbers(self.column('area'))

    @cached_property
    def sizes(self) -> np.ndarray:
        """(M, 2) width and height of each image; NaN if it has no number."""
        sizes = [[i.get('width'), i.get('height')] for i in self.images]
        return _numbers(sizes, 2)

    @cached_property
    def inside(self) -> np.ndarray:
        """(N, 2) pixels of width and height that are within the image."""
        with np.errstate(invalid='ignore'):
            first = np.maximum(self.boxes[:, :2], 0)
            last = self.boxes[:, :2] + self.boxes[:, 2:]
            last = np.minimum(last, self.sizes_of_images)
            return np.maximum(np.nan_to_num(last - first), 0)

    @cached_property
    def sizes_of_images(self) -> np.ndarray:
        """(N, 2) width and height of the image of each annotation."""
        if not len(self.images):
            return np.full((len(self.annotations), 2), np.nan)
        return self.sizes[self.places]

    @cached_property
    def kept(self) -> np.ndarray:
        """Which annotations become objects, as mmdet's data sets decide."""
        big = (self.boxes[:, 2:] >= 1).all(1) & (self.areas > 0)
        if self.reading.form != 'panoptic':
            big &= (self.inside > 0).all(1)
        return self.wanted & big

    @cached_property
    def crowds(self) -> np.ndarray:
        """Which annotations are of many objects."""
        return np.array(self.column('iscrowd', False), dtype=bool)

    @cached_property
    def used_images(self) -> np.ndarray:
        """Indices of the images that the library does not leave out."""
        used = np.ones(len(self.images), dtype=bool)
        reading = self.reading
        if reading.training and not reading.own:
            if reading.filter_empty:
                used &= self._with_objects()
            used &= self.sizes.min(axis=1, initial=np.inf) >= reading.min_size
        return np.flatnonzero(used)

    def _with_objects(self) -> np.ndarray:
        """Which images have something, as mmdet asks."""
        something = self.kept
        if self.reading.form == 'panoptic':
            things = {c['id'] for c in self.categories if c.get('isthing')}
            thing = [i in things for i in self.column('category_id')]
            something = something & np.array(thing, dtype=bool) & ~self.crowds
        else:
            # mmdet asks for annotations, those that it drops included.
            used = [i in self.names for i in self.column('category_id')]
            something = (self.places >= 0) & np.array(used, dtype=bool)
        found = np.zeros(len(self.images), dtype=bool)
        found[self.places[something]] = True
        if self.reading.filter_crowds:
            single = np.zeros(len(self.images), dtype=bool)
            single[self.places[self.kept & ~self.crowds]] = True
            found &= single
        return found

    def who(self, index: int) -> str:
        """What an annotation is called."""
        annotation = self.annotations[index]
        kind = 'segment' if self.reading.form == 'panoptic' else 'annotation'
        name = f'{kind} {annotation.get("id", f"number {index}")}'
        place = self.places[index]
        if place < 0:
            return name
        return f'{name} of {image_name(self.images[place], place)}'

    def finding(
        self,
        what: str,
        indices: Sequence[int],
        mend: str = '',
        level: str = 'error',
        shown: Callable[[int], Any] | None = None,
    ) -> Finding:
        """One finding for all annotations that have the same fault.

        Args:
            what (str): The fault, with the word that the names follow.
            indices (Sequence[int]): The annotations, at least one.
            mend (str): What to do about it.
            level (str): Of the finding.
            shown (Callable, optional): What to show of an annotation.
        """
        names = []
        for index in list(indices)[:4]:
            name = self.who(index)
            if shown is not None:
                name += f' ({short(shown(index))})'
            names.append(name)
        entry = self.who(indices[0])
        return entry_finding(
            self.path,
            what,
            names,
            len(indices),
            f'{len(self.annotations)} annotations',
            mend,
            level,
            entry,
        )


def entry_finding(
    path: Path,
    what: str,
    names: list[str],
    number: int,
    total: str,
    mend: str,
    level: str,
    entry: str,
) -> Finding:
    """``FILE: no bbox in 2 of 9 annotations: annotation 1, annotation 5``."""
    text = names[0]
    if number > 1:
        text = f'{number} of {total}: {few(names)}'
    return Finding(
        f'{path}: {what} {text}', mend, str(path), entry, level=level
    )


def image_name(image: dict, index: int) -> str:
    """What an image is called."""
    name = image.get('file_name') or image.get('coco_url')
    return str(name) if name else f'image {image.get("id", f"number {index}")}'


def short(value: Any) -> str:
    """A value as it is in the file, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_row(value: Any, length: int) -> bool:
    """Whether a value is a list of so many numbers."""
    return (
        isinstance(value, list)
        and len(value) == length
        and all(map(is_number, value))
    )


def _numbers(values: list, length: int = 1) -> np.ndarray:
    """Numbers, or rows of so many; NaN for those that are something else."""
    shape = (len(values), length) if length > 1 else (len(values),)
    try:
        array = np.array(values)
    except (ValueError, OverflowError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind in 'iuf' and array.shape == shape:
        return array.astype(np.float64)
    if length == 1:
        values = [_float(v) if is_number(v) else np.nan for v in values]
    else:
        none = [np.nan] * length
        values = [
            list(map(_float, v)) if is_row(v, length) else none for v in values
        ]
    return np.array(values, dtype=np.float64).reshape(shape)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        # Python's whole numbers have no end.
        return np.inf


_ID = (int, float, str)
_KINDS_OF_KEYS = {
    'name': (str,),
    'id': _ID,
    'image_id': _ID,
    'category_id': _ID,
    'file_name': (str,),
    'coco_url': (str,),
}


def check_keys(
    path: Path, content: dict, reading: Reading
) -> Iterator[Finding]:
    """Looks for the keys without which no index of a file can be made.

    Whoever finds an error here does not look further.
    """
    if 'categories' not in content and not reading.own:
        yield Finding(
            f'{path} has no categories: they give the names of the ids in '
            'the annotations',
            'add them: a list of {"id": ..., "name": ...}',
            str(path),
            'categories',
        )
    needed = {
        'images': ('id',),
        'annotations': ('image_id', 'id', 'category_id'),
        'categories': ('id', 'name'),
    }
    if not reading.own:
        needed['images'] = ('id', reading.file_key, 'height', 'width')
    if reading.form == 'panoptic':
        needed['annotations'] = ('image_id', 'segments_info')
        needed['categories'] = ('id', 'name', 'isthing')
    if 'categories' not in content:
        needed['annotations'] = needed['annotations'][:2]
    for part, keys in needed.items():
        entries = content.get(part, [])
        for key in keys:
            yield from _without(path, part, entries, key)
    if reading.form == 'panoptic':
        yield from _check_segments(path, content.get('annotations', []))


def _without(
    path: Path, part: str, entries: list[dict], key: str
) -> Iterator[Finding]:
    missing = [i for i, entry in enumerate(entries) if key not in entry]
    kinds = _KINDS_OF_KEYS.get(key)
    if not missing and kinds:
        bad = [
            i for i, e in enumerate(entries) if not isinstance(e[key], kinds)
        ]
        if bad:
            value = short(entries[bad[0]][key])
            yield _part_finding(
                path, f'{key} is {value} in', part, entries, bad
            )
    if missing:
        yield _part_finding(path, f'no {key} in', part, entries, missing)


def _part_finding(
    path: Path, what: str, part: str, entries: list[dict], which: list[int]
) -> Finding:
    one = {'images': 'image', 'categories': 'category'}
    names = []
    for index in which[:4]:
        entry = entries[index]
        name = entry.get('id', entry.get('file_name', f'number {index}'))
        names.append(f'{one.get(part, "annotation")} {name}')
    mend = 'the library reads it of each'
    total = f'{len(entries)} {part}'
    return entry_finding(
        path, what, names, len(which), total, mend, 'error', names[0]
    )


def _check_segments(path: Path, annotations: list[dict]) -> Iterator[Finding]:
    for index, annotation in enumerate(annotations):
        segments = annotation.get('segments_info', [])
        good = isinstance(segments, list) and all(
            isinstance(s, dict) and {'id', 'category_id'} <= set(s)
            for s in segments
        )
        if not good:
            entry = f'the annotation of image {annotation.get("image_id")}'
            yield Finding(
                f'{path}: segments_info of {entry} (number {index}) is no '
                'list of dicts with id and category_id',
                'the file is to be one of panoptic segmentation',
                str(path),
                entry,
            )
            return


def check_ids(table: Table) -> Iterator[Finding]:
    """Looks for ids that are there twice, or that point nowhere."""
    yield from _check_twice(table)
    yield from _check_image_ids(table)
    yield from _check_category_ids(table)


def check_ids_of_evaluation(table: Table) -> Iterator[Finding]:
    """Looks for ids that pycocotools cannot tell from an object it missed."""
    ids = table.column('id')
    read = np.flatnonzero(table.wanted)
    text = [i for i in read if not is_number(ids[i])]
    if text:
        yield table.finding(
            'id, which the evaluation takes for a number, is none in',
            text,
            'number the annotations from 1',
        )
    zero = [i for i in read if is_number(ids[i]) and ids[i] == 0]
    if zero:
        yield table.finding(
            'id is 0, and pycocotools counts the object as missed even if it '
            'is found, in',
            zero,
            'number the annotations from 1',
            'note',
        )


def _twice(values: list) -> list:
    if len(set(values)) == len(values):
        return []
    return [value for value, n in Counter(values).items() if n > 1]


def _check_twice(table: Table) -> Iterator[Finding]:
    path, reading = table.path, table.reading
    ids = table.column('id')
    if reading.unique_ids and not reading.own:
        ids = [
            i for i, read in zip(ids, table.places >= 0, strict=True) if read
        ]
        twice = _twice(ids)
        if twice:
            yield Finding(
                f'{path}: annotations share ids: {_values(twice)}',
                'number them anew, each once',
                str(path),
                f'annotation {twice[0]}',
            )
    twice = _twice([image['id'] for image in table.images])
    if twice:
        first = [i for i in table.images if i['id'] == twice[0]]
        files = {image_name(image, 0) for image in first}
        same = len(files) == 1
        yield Finding(
            f'{path}: images share ids: {_values(twice)} '
            f'({few(sorted(files))})',
            'remove the copies'
            if same
            else 'the last one of an id gets the boxes of all: number them '
            'anew, and image_id of the annotations with them',
            str(path),
            f'image {twice[0]}',
            level='warning' if same else 'error',
        )
    twice = _twice([category['id'] for category in table.categories])
    if twice:
        names = [c['name'] for c in table.categories if c['id'] == twice[0]]
        yield Finding(
            f'{path}: categories share ids: {_values(twice)} '
            f'({few(list(map(str, names)))})',
            'give each category an id of its own',
            str(path),
            f'category {twice[0]}',
        )
    names = [c['name'] for c in table.categories if c['id'] in table.names]
    twice = _twice(list(map(str, names)))
    if twice and not reading.own:
        yield Finding(
            f'{path}: categories share names: {_values(twice)}',
            'the labels of all that follow would be shifted: make one '
            'category of them',
            str(path),
            f'category {twice[0]}',
        )
    if not reading.own:
        yield from _check_files_twice(table)


def _check_files_twice(table: Table) -> Iterator[Finding]:
    key = table.reading.file_key
    names = [str(image.get(key, image['id'])) for image in table.images]
    twice = _twice(names)
    if not twice:
        return
    ids = {
        image['id']
        for image, name in zip(table.images, names, strict=True)
        if name == twice[0]
    }
    if len(ids) > 1:
        yield Finding(
            f'{table.path}: {len(twice)} files are there under several ids: '
            f'{few(twice)} ({_values(sorted(ids, key=str))})',
            'boxes of one id are background of the other: make one image of '
            'them',
            str(table.path),
            f'image {twice[0]}',
            level='warning',
        )


def _values(values: Sequence) -> str:
    return few([repr(value) for value in values])


def _check_image_ids(table: Table) -> Iterator[Finding]:
    lost = np.flatnonzero(table.places < 0)
    if not len(lost):
        return
    ids = {str(image['id']): image['id'] for image in table.images}
    image_ids = table.column('image_id')
    other_type = [i for i in lost if str(image_ids[i]) in ids]
    if other_type:
        one = image_ids[other_type[0]]
        yield table.finding(
            f'image_id is {one!r}, where the image has {ids[str(one)]!r}, in',
            other_type,
            'make both numbers, or both text',
        )
        return
    if not table.images:
        return
    other_type = _of_no_type(image_ids, lost, ids.values())
    if other_type:
        yield table.finding(
            f'image_id is {image_ids[other_type[0]]!r}, where images have '
            f'{_values(list(ids.values()))}, in',
            other_type,
            'write the id of the image, as the list of images has it',
        )
        return
    yield table.finding(
        'image_id names no image in',
        lost,
        'they are left out: remove them, or add their images',
        'warning',
        shown=lambda i: image_ids[i],
    )


def _check_category_ids(table: Table) -> Iterator[Finding]:
    if not table.categories:
        return
    ids = {c['id'] for c in table.categories}
    category_ids = table.column('category_id')
    known = np.array([i in ids for i in category_ids], dtype=bool)
    unknown = np.flatnonzero(~known & table.read)
    if not len(unknown):
        return
    as_text = {str(i): i for i in ids}
    other_type = [i for i in unknown if str(category_ids[i]) in as_text]
    if other_type:
        one = category_ids[other_type[0]]
        yield table.finding(
            f'category_id is {one!r}, where the category has '
            f'{as_text[str(one)]!r}, in',
            other_type,
            'make both numbers, or both text',
        )
        return
    other_type = _of_no_type(category_ids, unknown, ids)
    if other_type:
        yield table.finding(
            f'category_id is {category_ids[other_type[0]]!r}, where '
            f'categories have {_values(sorted(ids, key=_by_number))}, in',
            other_type,
            'write the id of the category, as the list of categories has it',
        )
        return
    panoptic = table.reading.form == 'panoptic'
    yield table.finding(
        'category_id is none of the categories in',
        unknown,
        'they would be background; the categories have the ids '
        + few(sorted(as_text, key=_by_number), 12),
        'error' if panoptic else 'warning',
        shown=lambda i: category_ids[i],
    )


def _of_no_type(
    values: list, which: Sequence[int], ids: Collection
) -> list[int]:
    """Of entries, those with text where no id is text, or the reverse."""
    kinds = {isinstance(one, str) for one in ids}
    if len(kinds) != 1:
        return []
    return [i for i in which if isinstance(values[i], str) not in kinds]


def _by_number(value: Hashable) -> tuple:
    text = str(value)
    return (0, int(text)) if text.lstrip('-').isdigit() else (1, text)
