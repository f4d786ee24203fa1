"""COCO's JSON: objects with boxes, masks or keypoints."""

import operator
from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmuniformer.checks.coco_file import read_coco
from mmuniformer.checks.finding import few
from mmuniformer.checks.walking import walk_files
from mmuniformer.errors import UserError
from mmuniformer.owndata.images import sizes_of
from mmuniformer.owndata.naming import unique
from mmuniformer.owndata.parts import CocoPart

# As mmpose's CocoMetric has it without areas (use_area=False).
BODY = 0.53
LEFT_OUT = 'left out'


def read_coco_part(file: Path, images: Path, task: str) -> CocoPart:
    """Reads a file, and adds what a library asks for and can be told.

    Boxes of masks or keypoints, areas and numbers of keypoints are added to
    a copy where the file has none.

    Args:
        file (Path): The JSON file.
        images (Path): The folder of the images.
        task (str): 'det', 'ins' or 'pose'.

    Raises:
        UserError: Naming the file and the entry.
    """
    read = read_coco(file)
    if read.content is None:
        raise UserError(str(read.findings[0]))
    content = {
        key: read.content.get(key, [])
        for key in ('images', 'annotations', 'categories')
    }
    for key, entries in content.items():
        if not entries:
            raise UserError(
                f'{file} has no {key}; it has to be a dict of images, '
                'annotations and categories'
            )
    _look_at_types(file, content)
    _look_at_categories(file, content['categories'], task)
    added = Counter()
    content['annotations'] = _same_ids(content, added)
    _look_at_ids(file, content)
    names = _found_files(file, images, content['images'])
    if names is not None:
        added['file_name'] = len(names)
        content['images'] = [
            dict(image, file_name=name)
            for image, name in zip(content['images'], names, strict=True)
        ]
    content['images'] = _with_sizes(images, content['images'], added)
    annotations = []
    for place, annotation in enumerate(content['annotations']):
        if task == 'pose' and _is_nothing(annotation):
            added[LEFT_OUT] += 1
            continue
        annotations.append(_completed(file, place, annotation, task, added))
    if not _are_ids([annotation['id'] for annotation in annotations]):
        annotations = [
            dict(annotation, id=number)
            for number, annotation in enumerate(annotations, 1)
        ]
        added['id'] = len(annotations)
    content['annotations'] = annotations
    kept = None if added else file
    return CocoPart(images, content, kept, str(file), dict(added))


def class_names(part: CocoPart) -> tuple[str, ...]:
    """Names of the categories in the order of the file."""
    return tuple(c['name'] for c in part.content['categories'])


def objects_told(part: CocoPart, task: str) -> list[str]:
    """What a user should know of the objects."""
    notes = []
    told: dict[int, list[str]] = defaultdict(list)
    for key, number in part.added.items():
        if key == LEFT_OUT:
            notes.append(
                f'{part.source}: {number} objects have neither a box nor a '
                'visible joint, and are left out'
            )
        else:
            told[number].append(key)
    notes += [
        f'{part.source}: of {number} entries, told from the rest or made '
        f'anew: {", ".join(sorted(keys))}'
        for number, keys in told.items()
    ]
    counts = sum(part.counts(), Counter())
    unused = [name for name in class_names(part) if not counts[name]]
    if unused:
        notes.append(
            f'{part.source}: {len(unused)} of {len(class_names(part))} '
            f'classes have no object: {few([repr(n) for n in unused])} '
            '(--classes takes some of them alone)'
        )
    crowds = sum(bool(a.get('iscrowd')) for a in part.content['annotations'])
    if crowds:
        notes.append(
            f'{part.source}: objects that are crowds (iscrowd; in VOC, '
            f'difficult): {crowds}; they are neither learned nor counted as '
            'missed'
        )
    with_objects = {a['image_id'] for a in part.content['annotations']}
    empty = len(part.content['images']) - len(with_objects)
    if empty:
        told = 'nothing to learn' if task == 'pose' else 'left out of training'
        notes.append(f'{part.source}: {empty} images have no object ({told})')
    return notes


def _look_at_types(file: Path, content: dict[str, list]) -> None:
    """Refuses what ids and names of files cannot be."""
    kinds = dict.fromkeys(('id', 'image_id', 'category_id'), int | float | str)
    kinds['file_name'] = str
    for part, entries in content.items():
        for place, entry in enumerate(entries):
            for key, kind in kinds.items():
                if key in entry and not isinstance(entry[key], kind | None):
                    raise UserError(
                        f'{file}: {part}[{place}] has the {key} '
                        f'{entry[key]!r}; it is one '
                        f'{"text" if kind is str else "number"}'
                    )


def _with_sizes(
    folder: Path, images: list[dict], added: Counter
) -> list[dict]:
    """Images with their width and height, from the files where they lack."""
    lack = [
        place
        for place, image in enumerate(images)
        if not (image.get('width') and image.get('height'))
    ]
    if not lack:
        return images
    added['width'] = added['height'] = len(lack)
    sizes = sizes_of(folder, [images[place]['file_name'] for place in lack])
    images = list(images)
    for place, (width, height) in zip(lack, sizes, strict=True):
        images[place] = dict(images[place], width=width, height=height)
    return images


def _look_at_categories(file: Path, categories: list, task: str) -> None:
    for place, category in enumerate(categories):
        where = f'{file}: categories[{place}]'
        if 'id' not in category:
            raise UserError(f'{where} has no id: {category}')
        if not isinstance(category.get('name'), str):
            raise UserError(
                f'{where} (id {category["id"]}) has no name; write a "name" '
                'into it'
            )
        points = category.get('keypoints')
        if task == 'pose' and not (points and isinstance(points, list)):
            raise UserError(
                f'{where} ({category["name"]!r}) has no keypoints, a list of '
                'the names of the joints in their order; write them into it, '
                'or use --task det for the boxes'
            )
    unique(tuple(c['name'] for c in categories), f'{file}: categories')


def _same_ids(content: dict[str, list], added: Counter) -> list[dict]:
    """Annotations whose ids of images and categories are those of the file.

    Some programs write a number here and the same as a text there.
    """
    annotations = content['annotations']
    for key, part in (('image_id', 'images'), ('category_id', 'categories')):
        known = {entry.get('id') for entry in content[part]}
        texts = {str(value): value for value in known}
        if len(texts) < len(known):
            continue
        changed = [
            dict(annotation, **{key: texts[str(annotation[key])]})
            if key in annotation
            and annotation[key] not in known
            and str(annotation[key]) in texts
            else annotation
            for annotation in annotations
        ]
        number = sum(map(operator.is_not, changed, annotations))
        if number:
            added[key] = number
        annotations = changed
    return annotations


def _are_ids(ids: list) -> bool:
    """Whether pycocotools can take them for annotations: 0 is no match."""
    return all(type(number) is int and number for number in ids) and len(
        set(ids)
    ) == len(ids)


def _look_at_ids(file: Path, content: dict[str, list]) -> None:
    categories = {c['id'] for c in content['categories']}
    images = Counter()
    for place, image in enumerate(content['images']):
        if 'id' not in image or not image.get('file_name'):
            raise UserError(
                f'{file}: images[{place}] has no '
                f'{"file_name" if "id" in image else "id"}: {image}'
            )
        images[image['id']] += 1
    for place, annotation in enumerate(content['annotations']):
        where = f'{file}: annotations[{place}]'
        for key, known in (('category_id', categories), ('image_id', images)):
            if key not in annotation:
                raise UserError(f'{where} has no {key}')
            value = annotation[key]
            if value not in known:
                part = key.removesuffix('_id')
                raise UserError(
                    f'{where} (id {annotation.get("id")}) has the {key} '
                    f'{value!r}, which is no {part} of the file; it has '
                    f'{few(sorted(map(str, known)), 8)}'
                )
    twice = [key for key, number in images.items() if number > 1]
    if twice:
        raise UserError(
            f'{file} has {len(twice)} ids of images twice: '
            f'{few([str(key) for key in twice])}'
        )


def _found_files(
    file: Path, folder: Path, images: list[dict]
) -> list[str] | None:
    """Names below the folder, if those of the file are not; else None."""
    names = [image['file_name'] for image in images]
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return None
    # Written on Windows, with folders in front, or a whole path.
    for found in _shorter(names):
        if len(set(found)) == len(set(names)) and all(
            (folder / name).is_file() for name in found
        ):
            return found
    image = next(i for i in images if i['file_name'] == missing[0])
    raise UserError(
        f'{file}: {len(missing)} of {len(names)} images are not in {folder}: '
        f'{few(missing)} (the first has the id {image["id"]}); '
        + _where(str(missing[0]).replace('\\', '/'), folder)
    )


def _shorter(names: list[str]) -> Iterator[list[str]]:
    """Paths without the first folders that all share, then without any."""
    paths = [name.replace('\\', '/').split('/') for name in names]
    folders = zip(*(parts[:-1] for parts in paths), strict=False)
    shared = takewhile(lambda parts: len(set(parts)) == 1, folders)
    for start in range(len(list(shared)) + 1):
        yield ['/'.join(parts[start:]) for parts in paths]
    yield [parts[-1] for parts in paths]


def _where(name: str, folder: Path) -> str:
    """What to do about an image that is not there."""
    last = name.rpartition('/')[2]
    for path in walk_files(folder):
        if path.name == last:
            return f'there is {path}: names are to be below --images'
    return 'say with --images which folder their names are below'


def _completed(
    file: Path, place: int, annotation: dict, task: str, added: Counter
) -> dict:
    """An annotation with what can be told from it; itself if it is whole."""
    where = f'{file}: annotations[{place}] (id {annotation.get("id")})'
    known = dict(annotation)
    if task == 'ins' and not annotation.get('segmentation'):
        raise UserError(
            f'{where} has no segmentation, and --task ins learns masks; use '
            '--task det for boxes alone'
        )
    if task == 'pose':
        points = known.get('keypoints')
        if not _are_numbers(points) or len(points) % 3:
            raise UserError(
                f'{where} has no keypoints of three numbers each (x, y, '
                'visible), all of them in one list'
            )
        known['num_keypoints'] = sum(v > 0 for v in points[2::3])
    if not known.get('bbox'):
        known['bbox'] = _box(known, where)
    if not _are_numbers(known['bbox']) or len(known['bbox']) != 4:
        raise UserError(
            f'{where} has the bbox {known["bbox"]!r}; it is x, y, width and '
            'height in pixels'
        )
    if not known.get('area'):
        # Of keypoints, the share of a box that mmpose takes for a body.
        known['area'] = _area(known, where) * (BODY if task == 'pose' else 1)
    if known.get('iscrowd') not in (0, 1):
        known['iscrowd'] = int(str(known.get('iscrowd')) in ('1', '1.0'))
    if known.get('id') is None:
        known['id'] = place + 1
    changed = [k for k in known if known[k] != annotation.get(k, ...)]
    added.update(changed)
    return known if changed else annotation


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, int | float) for value in values
    )


def _is_nothing(annotation: dict) -> bool:
    """Whether neither a box nor a joint says where an object is."""
    points = annotation.get('keypoints')
    return (
        not annotation.get('bbox')
        and _are_numbers(points)
        and not any(value > 0 for value in points[2::3])
    )


def _box(annotation: dict, where: str) -> list[float]:
    """x, y, width and height of what an annotation has in place of a box."""
    shape = annotation.get('segmentation')
    if isinstance(shape, list) and shape:
        polygons = _polygons(shape, where)
        points = np.concatenate([np.reshape(p, (-1, 2)) for p in polygons])
    elif isinstance(shape, dict):
        return coco_mask.toBbox(_rle(shape, where)).tolist()
    elif annotation.get('keypoints'):
        values = np.reshape(annotation['keypoints'], (-1, 3))
        points = values[values[:, 2] > 0, :2]
    else:
        points = np.empty((0, 2))
    if not len(points):
        raise UserError(
            f'{where} has no bbox, and nothing to tell it from; write x, y, '
            'width and height'
        )
    low, high = points.min(0), points.max(0)
    if not shape:
        # Joints lie within a body: as far beyond them as it is usual.
        margin = 0.1 * (high - low).max()
        low, high = low - margin, high + margin
    return [*low.tolist(), *(high - low).tolist()]


def _rle(shape: dict, where: str) -> dict:
    counts, size = shape.get('counts'), shape.get('size')
    if not counts or not _are_numbers(size) or len(size) != 2:
        raise UserError(
            f'{where} has a segmentation without counts or without size '
            '(height and width)'
        )
    if isinstance(counts, list):
        return coco_mask.frPyObjects(shape, *size)
    return shape


def _polygons(shape: list, where: str) -> list[list[float]]:
    if not all(_are_numbers(p) and len(p) % 2 == 0 for p in shape):
        raise UserError(
            f'{where} has the segmentation {few(list(map(str, shape)))}; it '
            'is a list of polygons, each a list of x1, y1, x2, y2, ...'
        )
    return shape


def _area(annotation: dict, where: str) -> float:
    """Of the mask, as COCO counts it; of the box without one."""
    shape = annotation.get('segmentation')
    if isinstance(shape, dict):
        return float(coco_mask.area(_rle(shape, where)))
    if shape:
        return float(sum(map(polygon_area, _polygons(shape, where))))
    return float(annotation['bbox'][2] * annotation['bbox'][3])


def polygon_area(points: list[float]) -> float:
    """Square pixels within x1, y1, x2, y2, ... (the shoelace formula)."""
    x, y = np.reshape(np.asarray(points, float), (-1, 2)).T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2


def new_content(classes: tuple[str, ...], **of_categories: Any) -> dict:
    """A file without images; categories are numbered from 1."""
    return dict(
        images=[],
        annotations=[],
        categories=[
            dict(id=number, name=name, **deepcopy(of_categories))
            for number, name in enumerate(classes, 1)
        ],
    )


def add_image(
    content: dict, name: str, size: tuple[int, int], objects: list[dict]
) -> None:
    """Adds an image and its objects, with ids of their own."""
    image_id = len(content['images']) + 1
    content['images'].append(
        dict(id=image_id, file_name=name, width=size[0], height=size[1])
    )
    for found in objects:
        content['annotations'].append(
            dict(
                id=len(content['annotations']) + 1,
                image_id=image_id,
                iscrowd=0,
                **found,
            )
        )
