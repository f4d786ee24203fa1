"""Pascal VOC's form: an XML file for each image.

An own reader: ``supervision`` 0.31 decodes every image for its size and
sorts classes by name, ``globox`` 2.9 takes pixels that are counted from 1 as
if they were from 0, and neither keeps ``difficult``.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from mmuniformer.checks.detection.voc import CORNERS
from mmuniformer.checks.finding import few, suggest
from mmuniformer.errors import UserError
from mmuniformer.owndata.coco import add_image, new_content
from mmuniformer.owndata.images import IMAGE_SUFFIXES, files_below, sizes_of
from mmuniformer.owndata.naming import name_file, names_of_file
from mmuniformer.owndata.parts import CocoPart


def is_voc(labels: Path) -> bool:
    """Whether labels are of this form."""
    if labels.is_file():
        return False
    first = next(iter(sorted(labels.rglob('*.xml'))), None)
    if first is None:
        return False
    try:
        return ElementTree.parse(first).getroot().tag == 'annotation'
    except ElementTree.ParseError:
        return True


def read_voc_part(
    images: Path,
    labels: Path,
    classes: tuple[str, ...] | None,
    first_pixel: int | None,
) -> tuple[CocoPart, list[str]]:
    """Reads the XML files of a folder.

    Args:
        images (Path): Folder of images.
        labels (Path): Folder of XML files, named like the images.
        classes (tuple[str, ...], optional): Names that the user gave.
        first_pixel (int, optional): 1 if pixels are counted from 1 and xmax
            is the last one, as VOC has it; 0 if the numbers are corners as
            they are. Told by the numbers if it is None.

    Returns:
        tuple[CocoPart, list[str]]: The objects, and notes.

    Raises:
        UserError: Naming the file and the object.
    """
    names = {
        n.rpartition('.')[0]: n for n in files_below(images, IMAGE_SUFFIXES)
    }
    short = {Path(stem).name: stem for stem in names}
    xmls, missing = [], []
    for file in sorted(labels.rglob('*.xml')):
        stem = file.relative_to(labels).with_suffix('').as_posix()
        stem = stem if stem in names else short.get(Path(stem).name)
        if stem is None:
            missing.append(str(file))
        else:
            xmls.append((file, names[stem]))
    if missing:
        raise UserError(
            f'{len(missing)} of {len(missing) + len(xmls)} XML files have no '
            f'image in {images}: {few(missing)}'
        )
    found = [(name, _objects(file)) for file, name in xmls]
    boxes = [o['corners'] for _, objects in found for o in objects]
    if not boxes:
        raise UserError(f'{labels} has no object in any file')
    classes, notes = _classes(labels, classes, found)
    if first_pixel is None:
        first_pixel, why = _first_pixel(boxes)
        notes.append(f'{labels}: {why}')
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
    difficult = sum(o['difficult'] for _, objects in found for o in objects)
    if difficult:
        notes.append(
            f'{labels}: {difficult} objects are difficult: they are neither '
            'learned nor counted as missed (iscrowd in the written file)'
        )
        for annotation in content['annotations']:
            annotation['iscrowd'] = int(annotation.pop('difficult'))
    else:
        for annotation in content['annotations']:
            del annotation['difficult']
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
            raise UserError(
                f'{where} ({name}) has no xmin, ymin, xmax and ymax in bndbox'
            ) from None
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            raise UserError(
                f'{where} ({name}) has a box whose xmax or ymax is not above '
                f'its xmin or ymin: {corners}'
            )
        difficult = (node.findtext('difficult') or '0').strip() == '1'
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
    source = '--classes' if given else str(beside)
    for _, objects in found:
        for one in objects:
            if one['name'] not in names:
                raise UserError(
                    f'{one["where"]} is a {one["name"]!r}, which {source} '
                    f'does not have{suggest(one["name"], names)}'
                )
    return names, []


def _first_pixel(boxes: Sequence[Sequence[float]]) -> tuple[int, str]:
    """Whether pixels are counted from 1, and how that was told."""
    numbers = [value for box in boxes for value in box]
    corners = 'boxes are corners in pixels counted from 0'
    hint = '(--first-pixel 1 if they are not)'
    if min(numbers) < 1:
        return 0, f'{corners}: one has {min(numbers):g} {hint}'
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
    left, top = max(left, 0.0), max(top, 0.0)
    box = [left, top, min(right, size[0]) - left, min(bottom, size[1]) - top]
    return dict(
        category_id=classes.index(found['name']) + 1,
        bbox=box,
        area=box[2] * box[3],
        difficult=found['difficult'],
    )
