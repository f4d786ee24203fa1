"""Pascal VOC's form: an XML file for each image.

An own reader: ``supervision`` 0.31 decodes every image for its size and
sorts classes by name, ``globox`` 2.9 takes pixels that are counted from 1 as
if they were from 0, and neither keeps ``difficult``.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

from mmuniformer.checks.detection.voc import CORNERS
from mmuniformer.checks.finding import few, suggest
from mmuniformer.checks.walking import walk_files
from mmuniformer.errors import UserError
from mmuniformer.owndata.coco import add_image, new_content
from mmuniformer.owndata.images import (
    IMAGE_SUFFIXES,
    files_below,
    sizes_of,
)
from mmuniformer.owndata.naming import name_file, names_of_file, read_text
from mmuniformer.owndata.parts import CocoPart

TRUE = ('1', 'true', 'True')
# XML files by which the form is told.
LOOKED_AT = 20


def is_voc(labels: Path) -> bool:
    """Whether labels are of this form."""
    if labels.is_file():
        return False
    return any(map(_may_be_voc, islice(_xml_files(labels), LOOKED_AT)))


def _may_be_voc(file: Path) -> bool:
    try:
        return ElementTree.parse(file).getroot().tag == 'annotation'
    except ElementTree.ParseError:
        return True


def _xml_files(folder: Path) -> list[Path]:
    return sorted(p for p in walk_files(folder) if p.suffix.lower() == '.xml')


def image_sets(labels: Path) -> dict[str, Path] | None:
    """Files that name the images of each side, as VOC's own folders have them.

    Args:
        labels (Path): ``Annotations``, beside which is ``ImageSets``.
    """
    folder = labels.parent / 'ImageSets' / 'Main'
    for train, val in (('train', 'val'), ('trainval', 'test')):
        files = dict(train=folder / f'{train}.txt', val=folder / f'{val}.txt')
        if all(file.is_file() for file in files.values()):
            return files
    return None


def take_image_set(part: CocoPart, file: Path) -> tuple[CocoPart, list[str]]:
    """The images that a file names, and a note on those that are not there.

    Args:
        part (CocoPart): All images.
        file (Path): A name in each line, perhaps with 1 or -1 behind it.

    Raises:
        UserError: If it names none of the images.
    """
    places = {Path(f).stem: n for n, f in enumerate(part.files)}
    # A suffix is no part of a name in VOC's own files.
    places |= {Path(f).name: n for n, f in enumerate(part.files)}
    chosen, missing = [], []
    for line in read_text(file).splitlines():
        name = line.strip()
        if name not in places and name.endswith((' 1', ' -1', ' 0')):
            name = name.rpartition(' ')[0].strip()
        if name in places:
            chosen.append(places[name])
        elif name:
            missing.append(name)
    if not chosen:
        raise UserError(
            f'{file} names no image that has an XML file in {part.source}: '
            f'{few(missing) or "it is empty"}'
        )
    notes = [
        f'{file}: {len(missing)} of {len(missing) + len(chosen)} names have '
        f'no XML file, and are left out: {few(missing)}'
    ]
    return part.take(list(dict.fromkeys(chosen))), notes if missing else []


def read_voc_part(
    images: Path,
    labels: Path,
    classes: tuple[str, ...] | None,
    first_pixel: int,
) -> tuple[CocoPart, list[str]]:
    """Reads the XML files of a folder.

    Args:
        images (Path): Folder of images.
        labels (Path): Folder of XML files, named like the images.
        classes (tuple[str, ...], optional): Names that the user gave.
        first_pixel (int): 1 if pixels are counted from 1 and xmax is the
            last one, as VOC has it; 0 if the numbers are corners as they are.

    Returns:
        tuple[CocoPart, list[str]]: The objects, and notes.

    Raises:
        UserError: Naming the file and the object.
    """
    names = files_below(images, IMAGE_SUFFIXES)
    whole: dict[str, list[str]] = defaultdict(list)
    short: dict[str, list[str]] = defaultdict(list)
    for name in names:
        stem = name.rpartition('.')[0]
        whole[stem].append(name)
        short[Path(stem).name].append(name)
    xmls, missing = [], []
    for file in _xml_files(labels):
        stem = file.relative_to(labels).with_suffix('').as_posix()
        # Files may not be in folders like those of their images.
        may_be = whole[stem] or short[Path(stem).name]
        if len(may_be) > 1:
            raise UserError(
                f'{file} may be of {" or ".join(may_be)} in {images}: put '
                'XML files into folders like those of their images, and give '
                'images names that differ'
            )
        if may_be:
            xmls.append((file, *may_be))
        else:
            missing.append(str(file))
    if missing:
        raise UserError(
            f'{len(missing)} of {len(missing) + len(xmls)} XML files have no '
            f'image in {images}: {few(missing)}'
        )
    found = [(name, _objects(file)) for file, name in xmls]
    if not any(objects for _, objects in found):
        raise UserError(f'{labels} has no object in any file')
    classes, notes = _classes(labels, classes, found)
    content = new_content(classes)
    sizes = sizes_of(images, [name for name, _ in found])
    for (name, objects), size in zip(found, sizes, strict=True):
        placed = [
            _as_coco(o, classes, first_pixel, size, labels) for o in objects
        ]
        add_image(content, name, size, placed)
    left_out = len(names) - len(found)
    if left_out:
        notes.append(
            f'{labels}: {left_out} of {len(names)} images have no XML file, '
            'and are left out'
        )
    # COCO's files have no difficult ones; the two are treated alike.
    for annotation in content['annotations']:
        annotation['iscrowd'] = int(annotation.pop('difficult'))
    return CocoPart(images, content, None, str(labels)), notes


def _objects(file: Path) -> list[dict]:
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise UserError(
            f'{file} is no XML ({error}); it may be cut off: write it again'
        ) from error
    found = []
    for number, node in enumerate(root.findall('object'), 1):
        name = (node.findtext('name') or '').strip()
        where = f'{file}, object {number}'
        if not name:
            raise UserError(f'{where} has no name')
        try:
            corners = [float(node.findtext(f'bndbox/{k}')) for k in CORNERS]
        except (TypeError, ValueError):
            corners = [math.nan]
        if not all(map(math.isfinite, corners)):
            raise UserError(
                f'{where} ({name}) has no xmin, ymin, xmax and ymax in bndbox'
            )
        # Of pixels counted from 1, both may be the same one.
        if corners[2] < corners[0] or corners[3] < corners[1]:
            raise UserError(
                f'{where} ({name}) has a box whose xmax or ymax is below its '
                f'xmin or ymin: {corners}'
            )
        difficult = (node.findtext('difficult') or '').strip() in TRUE
        found.append(
            dict(name=name, corners=corners, difficult=difficult, where=where)
        )
    return found


def _classes(
    labels: Path,
    given: tuple[str, ...] | None,
    found: Sequence[tuple[str, list[dict]]],
) -> tuple[tuple[str, ...], list[str]]:
    """The classes in their order, and a note on where that is from."""
    counts = Counter(o['name'] for _, objects in found for o in objects)
    beside = name_file(labels, labels.parent)
    if given is None and beside is None:
        return tuple(sorted(counts)), [
            f'{labels}: XML files have no order of classes; they are sorted '
            'by name (--classes gives another order)'
        ]
    names = given or names_of_file(beside)
    source = 'the classes of --classes or of training'
    source = source if given else str(beside)
    for _, objects in found:
        for one in objects:
            if one['name'] not in names:
                raise UserError(
                    f'{one["where"]} is a {one["name"]!r}, which is not among '
                    f'{source}{suggest(one["name"], names)}'
                )
    return names, []


def first_pixel_of(folders: Sequence[Path]) -> tuple[int, str]:
    """Whether pixels are counted from 1, and how that was told.

    Args:
        folders (Sequence[Path]): XML files of all sides: they are counted in
            one way.
    """
    numbers = [
        value
        for folder in folders
        for file in _xml_files(folder)
        for one in _objects(file)
        for value in one['corners']
    ]
    corners = 'boxes are corners in pixels counted from 0'
    hint = '(--first-pixel 1 if they are not)'
    if min(numbers, default=0) < 1:
        return 0, f'{corners}: one has {min(numbers, default=0):g} {hint}'
    if any(value != int(value) for value in numbers):
        return 0, f'{corners}: some are no whole numbers {hint}'
    return 1, (
        'boxes are whole pixels counted from 1, as VOC has them: none has 0 '
        '(--first-pixel 0 if they are not)'
    )


def _as_coco(
    found: dict,
    classes: tuple[str, ...],
    first_pixel: int,
    size: tuple[int, int],
    labels: Path,
) -> dict:
    left, top, right, bottom = found['corners']
    left, top = left - first_pixel, top - first_pixel
    if min(left, top) < -2 or right > size[0] + 2 or bottom > size[1] + 2:
        raise UserError(
            f'{found["where"]} ({found["name"]}) reaches out of its image of '
            f'{size[0]} x {size[1]} pixels: {found["corners"]}'
        )
    if right <= left or bottom <= top:
        raise UserError(
            f'{found["where"]} ({found["name"]}) has a box of no size: '
            f'{found["corners"]}'
        )
    left, top = max(left, 0.0), max(top, 0.0)
    box = [left, top, min(right, size[0]) - left, min(bottom, size[1]) - top]
    return dict(
        category_id=classes.index(found['name']) + 1,
        bbox=box,
        area=box[2] * box[3],
        difficult=found['difficult'],
    )
