"""YOLO's form: a text file for each image, with fractions of its size.

Own readers, because those of the libraries lose what training needs:
``supervision`` 0.31 draws polygons into masks of whole pixels and knows no
keypoints (and brings a second video decoder), ``globox`` 2.9 knows neither.
"""

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mmuniformer.checks.finding import few
from mmuniformer.checks.walking import walk_files
from mmuniformer.errors import UserError
from mmuniformer.owndata.coco import add_image, new_content, polygon_area
from mmuniformer.owndata.images import (
    IMAGE_SUFFIXES,
    files_below,
    sizes_of,
)
from mmuniformer.owndata.naming import (
    load_mapping,
    name_file,
    names_of_file,
    names_of_yolo,
    read_text,
)
from mmuniformer.owndata.parts import CocoPart

BOX = 5
# Text files beside labels that name classes or images.
LISTS = ('classes', 'labels', 'class_names', 'train', 'val', 'test')
# Label files by which the form is told.
LOOKED_AT = 20
# Rounding of the programs that write fractions.
SLACK = 1e-3
YAMLS = ('data.yaml', 'data.yml', 'dataset.yaml')


@dataclass(frozen=True)
class YoloSet:
    """What a YOLO data set says of itself.

    Attributes:
        classes (tuple[str, ...]): In the order of their numbers.
        points (tuple[int, int], optional): Number of keypoints, and of the
            numbers of each: 2, or 3 with visibility.
        flip (tuple[int, ...], optional): The keypoint in place of each when
            an image is mirrored.
        point_names (tuple[str, ...], optional): Of the keypoints.
        places (dict[str, list[Path]]): Of 'train' and 'val', if it says:
            folders of images, and text files that name images.
    """

    classes: tuple[str, ...]
    points: tuple[int, int] | None = None
    flip: tuple[int, ...] | None = None
    point_names: tuple[str, ...] | None = None
    places: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """Images of one side, and where their labels are.

    Attributes:
        images (Path): The folder that the names are below.
        labels (Path): The folder of label files.
        names (list[str], optional): Of the images; by default all of the
            folder, whose label files then all have to have an image.
    """

    images: Path
    labels: Path
    names: list[str] | None = None


def yaml_of(labels: Path) -> Path | None:
    """The YAML file of a data set: it is one, or it has one in or above it."""
    if labels.is_file():
        return labels if labels.suffix in ('.yaml', '.yml') else None
    for folder in (labels, *labels.absolute().parents[:2]):
        for name in YAMLS:
            if (folder / name).is_file():
                return folder / name
    return None


def is_yolo(labels: Path) -> bool:
    """Whether labels are of this form."""
    if labels.is_file():
        if labels.suffix not in ('.yaml', '.yml'):
            return False
        return 'names' in load_mapping(labels)
    # Blank ones are of images without an object, and say nothing.
    told = (text for text in _texts(labels) if text.stat().st_size)
    return any(_is_row(text) for text in islice(told, LOOKED_AT))


def _label_files(folder: Path, stems: Collection[str] = ()) -> list[Path]:
    """Text files of a folder, without lists of names or of images.

    Args:
        folder (Path): The folder.
        stems (Collection[str]): Of the images: a text file of an image's
            name is its label file, whatever that name is.
    """
    return [
        path
        for path in _texts(folder)
        if path.stem not in LISTS or _stem(path, folder) in stems
    ]


def _texts(folder: Path) -> list[Path]:
    return sorted(p for p in walk_files(folder) if p.suffix.lower() == '.txt')


def why_no_rows(labels: Path) -> str:
    """What is wrong with files that could be label files; empty if none is.

    Args:
        labels (Path): The folder of label files.
    """
    for text in _label_files(labels):
        if text.stat().st_size:
            try:
                _rows(text)
            except UserError as error:
                return str(error)
    return ''


def _is_row(path: Path) -> bool:
    try:
        text = path.read_text(encoding='utf-8-sig')
        words = text.strip().split('\n')[0].split()
        return len(words) >= BOX and all(map(math.isfinite, map(float, words)))
    except (ValueError, UnicodeDecodeError):
        return False


def read_set(labels: Path, classes: tuple[str, ...] | None) -> YoloSet:
    """Reads the names of a data set.

    Args:
        labels (Path): The YAML file, or the folder of label files.
        classes (tuple[str, ...], optional): Names that the user gave.

    Raises:
        UserError: If no names are found.
    """
    file = yaml_of(labels)
    if file is not None:
        content = load_mapping(file)
        if classes is None and 'names' not in content:
            raise UserError(f'{file} has no names of classes')
        shape = _numbers(content, 'kpt_shape', file)
        if shape and (len(shape) != 2 or shape[1] not in (2, 3)):
            raise UserError(
                f'{file}: kpt_shape is {list(shape)}, and not the number of '
                'keypoints and of the numbers of each (2 or 3)'
            )
        names = content.get('kpt_names')
        if isinstance(names, dict):
            names = next(iter(names.values()), None)
        return YoloSet(
            classes or names_of_yolo(content['names'], file),
            shape or None,
            _numbers(content, 'flip_idx', file) or None,
            tuple(map(str, names)) if names else None,
            _places(content, file),
        )
    if classes is None:
        beside = name_file(labels, labels.parent)
        if beside is None:
            raise UserError(
                f'{labels} has label files of YOLO, which number their '
                'classes, and no data.yaml or classes.txt in or above it that '
                'names them; give --classes'
            )
        classes = names_of_file(beside)
    return YoloSet(classes)


def _numbers(content: dict[str, Any], key: str, file: Path) -> tuple[int, ...]:
    """A list of whole numbers; empty where there is none."""
    value = content.get(key) or ()
    if not isinstance(value, list | tuple) or not all(
        type(number) is int for number in value
    ):
        raise UserError(f'{file}: {key} is {value!r}, and no list of numbers')
    return tuple(value)


def _places(content: dict[str, Any], file: Path) -> dict[str, list[Path]]:
    """Images of each side: programs write their folders in three ways.

    Those of the test are the validation where there is no other.
    """
    root = Path(str(content.get('path') or '').replace('\\', '/'))
    found = {}
    for side in ('train', 'val'):
        given = content.get(side)
        if not given and side == 'val':
            given = content.get('test')
        given = [given] if isinstance(given, str) else given
        if not given or not all(isinstance(each, str) for each in given):
            continue
        found[side] = [_place(each, root, file) for each in given]
    return found


def _place(given: str, root: Path, file: Path) -> Path:
    given = given.replace('\\', '/')
    inside = given.replace('../', '', 1)
    places = [
        root / given,
        file.parent / root / given,
        file.parent / given,
        file.parent / inside,
    ]
    return next((p for p in places if p.exists()), places[-1])


def sides_of(about: YoloSet, file: Path) -> dict[str, Side]:
    """Images and labels of the sides that a data set names.

    Args:
        about (YoloSet): The data set.
        file (Path): Its YAML file, for messages.

    Raises:
        UserError: If a place does not exist, or names no image.
    """
    sides = {}
    for side, places in about.places.items():
        for place in places:
            if not place.exists():
                raise UserError(
                    f'{file} names {place}, which does not exist; give '
                    '--images'
                )
        if len(places) == 1 and places[0].is_dir():
            sides[side] = Side(places[0], labels_beside(places[0]))
            continue
        images = [path for place in places for path in _images_in(place)]
        if not images:
            raise UserError(f'{file}: {side} names no image')
        folder = Path(os.path.commonpath([path.parent for path in images]))
        names = sorted(
            {path.relative_to(folder).as_posix() for path in images}
        )
        sides[side] = Side(folder, labels_beside(folder), names)
    if 'val' in sides and sides['val'] == sides.get('train'):
        # As in files that are made to try a program.
        del sides['val']
    return sides


def _images_in(place: Path) -> list[Path]:
    """Images of a folder, or those that a text file names."""
    if place.is_dir():
        return [place / name for name in files_below(place, IMAGE_SUFFIXES)]
    lines = read_text(place).splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        name = line.strip().replace('\\', '/')
        if not name:
            continue
        path = next(
            (p for p in (place.parent / name, Path(name)) if p.is_file()), None
        )
        if path is None:
            raise UserError(
                f'{place}, line {number}: there is no image {name}'
            )
        found.append(Path(os.path.normpath(path)))
    return found


def labels_beside(images: Path) -> Path:
    """The folder of labels of a folder of images: the last 'images' in it."""
    parts = list(images.parts)
    for place in reversed(range(len(parts))):
        if parts[place] == 'images':
            return Path(*parts[:place], 'labels', *parts[place + 1 :])
    return images


def read_yolo_part(
    about: YoloSet, side: Side, task: str
) -> tuple[CocoPart, list[str]]:
    """Reads the label files of images, which are named like these.

    Args:
        about (YoloSet): Names.
        side (Side): Images, and the folder of label files.
        task (str): 'det', 'ins' or 'pose'.

    Returns:
        tuple[CocoPart, list[str]]: The objects, and notes.

    Raises:
        UserError: Naming the file and the line.
    """
    images, labels = side.images, side.labels
    names = side.names or files_below(images, IMAGE_SUFFIXES)
    if not labels.is_dir():
        raise UserError(f'{labels} is no folder: it should have label files')
    stems = {_stem(Path(name), Path()) for name in names}
    texts = {_stem(p, labels): p for p in _label_files(labels, stems)}
    # A README is no label file.
    alone = {s for s in texts.keys() - stems if _is_row(texts[s])}
    if alone and side.names is None:
        first = texts[min(alone)]
        raise UserError(
            f'{len(alone)} of {len(texts)} label files have no image in '
            f'{images}: {few(sorted(str(texts[s]) for s in alone))}; an image '
            f'of {first.name} has its name and another suffix'
        )
    _look_at_stems(images, names)
    content = new_content(about.classes)
    empty = 0
    for name, size in zip(names, sizes_of(images, names), strict=True):
        text = texts.get(_stem(Path(name), Path()))
        empty += text is None
        rows = [] if text is None else _rows(text)
        objects = [
            _object(about, row, size, task, f'{text}, line {number}')
            for number, row in rows
        ]
        add_image(content, name, size, objects)
    if not content['annotations']:
        raise UserError(f'{labels} has no object of any image in {images}')
    notes = []
    if empty:
        notes.append(
            f'{labels}: {empty} of {len(names)} images have no label file, '
            'and are taken for images without an object'
        )
    return CocoPart(images, content, None, str(labels)), notes


def _look_at_stems(images: Path, names: Sequence[str]) -> None:
    """Refuses images that would share one label file."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(_stem(Path(name), Path()), name)
        if other != name:
            raise UserError(
                f'{images} has {other} and {name}, and one label file is of '
                'both; take one of the two out, or rename it'
            )


def _stem(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix('').as_posix()


def _rows(text: Path) -> list[tuple[int, list[float]]]:
    """Lines with their numbers; those without a word are none."""
    rows = []
    lines = read_text(text).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.split()]
        except ValueError:
            values = [math.nan]
        if not all(map(math.isfinite, values)) or len(values) < BOX:
            raise UserError(
                f'{text}, line {number}: {line.strip()!r} is no class and '
                'four or more numbers'
            )
        rows.append((number, values))
    return rows


def _object(
    about: YoloSet,
    row: list[float],
    size: tuple[int, int],
    task: str,
    where: str,
) -> dict:
    number, values = row[0], row[1:]
    if number != int(number) or not 0 <= number < len(about.classes):
        raise UserError(
            f'{where}: there is no class {number:g}; '
            f'{len(about.classes)} names are known, for 0 to '
            f'{len(about.classes) - 1}'
        )
    found = dict(category_id=int(number) + 1)
    if task == 'pose':
        return found | _with_points(about, values, size, where)
    # Six: a score behind the box.
    if len(row) in (BOX, BOX + 1):
        if task == 'ins':
            raise UserError(
                f'{where} has a box and no polygon, and --task ins learns '
                'masks; use --task det for boxes alone'
            )
        return found | _box(values[:4], size, where)
    if about.points is not None:
        return found | _box(values[:4], size, where)
    if len(values) % 2:
        raise UserError(
            f'{where} has {len(values)} numbers behind its class: neither a '
            'box (4) nor a polygon (pairs)'
        )
    _look_at_fractions(values, where)
    points = np.reshape(values, (-1, 2)).clip(0, 1) * size
    low, high = points.min(0), points.max(0)
    flat = points.ravel().tolist()
    return found | dict(
        bbox=[*low.tolist(), *(high - low).tolist()],
        segmentation=[flat],
        area=polygon_area(flat),
    )


def _box(values: list[float], size: tuple[int, int], where: str) -> dict:
    _look_at_fractions(values, where)
    x, y, width, height = np.multiply(values, [*size, *size]).tolist()
    # Fractions of few digits may leave the image by a part of a pixel.
    left, top = max(x - width / 2, 0.0), max(y - height / 2, 0.0)
    right = min(x + width / 2, size[0])
    bottom = min(y + height / 2, size[1])
    box = [left, top, right - left, bottom - top]
    return dict(bbox=box, area=box[2] * box[3])


def _with_points(
    about: YoloSet, values: list[float], size: tuple[int, int], where: str
) -> dict:
    if about.points is None:
        raise UserError(
            f'{where}: --task pose needs kpt_shape in the data.yaml, the '
            'number of keypoints and of the numbers of each'
        )
    number, each = about.points
    if len(values) != 4 + number * each:
        raise UserError(
            f'{where} has {len(values)} numbers behind its class, and a box '
            f'with {number} keypoints of {each} has {4 + number * each}'
        )
    points = np.reshape(values[4:], (number, each))
    seen = points[:, 2] if each == 3 else np.full(number, 2.0)
    # Of two numbers each, 0 and 0 is what is not there.
    seen = np.where((points[:, :2] == 0).all(1), 0, seen)
    _look_at_fractions(points[seen > 0, :2].ravel().tolist(), where)
    placed = np.column_stack([points[:, :2] * size, seen])
    return dict(
        _box(values[:4], size, where),
        keypoints=placed.ravel().tolist(),
        num_keypoints=int((seen > 0).sum()),
    )


def _look_at_fractions(values: list[float], where: str) -> None:
    wrong = [v for v in values if not -SLACK <= v <= 1 + SLACK]
    if wrong:
        raise UserError(
            f'{where} has {wrong[0]:g}, and numbers of YOLO are fractions of '
            'the width or height, 0 to 1; divide pixels by the size'
        )
