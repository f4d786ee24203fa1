"""Annotations of Pascal VOC's form: an XML file for each image."""

from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmengine.config import Config

from mmuniformer.checks import scan
from mmuniformer.checks.batches import check_whole_batch
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists, check_named
from mmuniformer.checks.finding import (
    Finding,
    did_you_mean,
    few,
    nearest,
)
from mmuniformer.checks.images import (
    check_image_files,
    decoder_of,
    is_local,
    look_at_images,
    state_of,
)
from mmuniformer.checks.summary import Summary

# Names are taken for the same word above it: others may be left out.
ALIKE = 0.8
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
BOX = 'bndbox has xmin, ymin, xmax and ymax in pixels, counted from 1'
# Of the kinds of fault: what to do about it, and the level.
KINDS = {
    'does not exist': (
        'each line of the list names one, without .xml',
        'error',
    ),
    'is no XML': ('it may be cut off: write it again', 'error'),
    'has no width and height that are whole numbers in size': ('', 'error'),
    'has an object without name': ('', 'error'),
    'has an object without four numbers in bndbox': (BOX, 'error'),
    'has NaN or infinite numbers in bndbox': (BOX, 'error'),
    'has difficult that is no whole number': ('write 0 or 1', 'error'),
    'has a box whose xmax or ymax is not above its xmin or ymin': (
        BOX,
        'warning',
    ),
    'has a box that reaches out of the image': (BOX, 'warning'),
}


def check_voc(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at the XML files of data sets of mmdet, and at their images.

    Args:
        cfg (Config): It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to decode every image as well.
    """
    for data_set in data_sets(cfg, phases):
        if not _is_read(data_set):
            if _is_voc(data_set):
                yield from check_named(data_set)
            continue
        if not data_set.ann_file.is_file():
            yield from check_exists(
                data_set.ann_file, data_set.path, 'ann_file'
            )
            continue
        yield from _check(cfg, data_set, decode)


def summary(data_set: DataSet) -> Summary | None:
    """Boxes of each class of a data set; None if it is of another kind."""
    if not _is_read(data_set) or not data_set.ann_file.is_file():
        return None
    names = _names(data_set)
    seen = _look_at_all(data_set, names)
    used = _used(data_set, seen)
    boxes = Counter(name for i in used for name in seen[i]['names'])
    classes = data_set.metainfo.get('classes') or ()
    return Summary(
        data_set.path,
        data_set.phase,
        'boxes',
        len(used),
        {name: boxes[name] for name in classes},
        Counter(tuple(seen[i]['size']) for i in used if seen[i]['size']),
        [Path(_image(data_set, names[i])) for i in used],
    )


def _is_read(data_set: DataSet) -> bool:
    return (
        data_set.ann_file is not None
        and _is_voc(data_set)
        and is_local(data_set.node.get('backend_args'))
        and '://' not in str(_root(data_set))
    )


def _is_voc(data_set: DataSet) -> bool:
    if data_set.host != 'mmdet':
        return False
    from mmdet.datasets import XMLDataset

    kind = data_set.kind
    return (
        issubclass(kind, XMLDataset)
        and kind.parse_data_info is XMLDataset.parse_data_info
        and kind.load_data_list is XMLDataset.load_data_list
    )


def _root(data_set: DataSet) -> Path:
    prefix = data_set.node.get('data_prefix') or {}
    if 'sub_data_root' not in prefix:
        return Path()
    return data_set.below_root(prefix['sub_data_root'])


def _names(data_set: DataSet) -> list[str]:
    # An empty line names a file, too, as mmengine reads it.
    with data_set.ann_file.open(encoding='utf-8', errors='replace') as lines:
        return [line.rstrip('\r\n') for line in lines]


def _xml(data_set: DataSet, name: str) -> str:
    folder = data_set.node.get('ann_subdir', 'Annotations')
    return str(_root(data_set) / folder / f'{name}.xml')


def _image(data_set: DataSet, name: str) -> str:
    folder = data_set.node.get('img_subdir', 'JPEGImages')
    return str(_root(data_set) / folder / f'{name}.jpg')


def _look_at_all(data_set: DataSet, names: list[str]) -> list[dict]:
    files = [_xml(data_set, name) for name in names]
    classes = tuple(data_set.metainfo.get('classes') or ())
    look = partial(_look, classes)
    return scan.remembered(
        [],
        ['voc', state_of(files), classes],
        lambda: list(scan.each(look, files, 'annotations')),
    )


def _look(classes: tuple[str, ...], file: str) -> dict[str, Any]:
    """What is in an XML file: faults, size, names that are used, others."""
    seen = {'faults': [], 'size': None, 'names': [], 'others': []}
    try:
        root = ElementTree.parse(file).getroot()
    except FileNotFoundError:
        return seen | {'faults': ['does not exist']}
    except (ElementTree.ParseError, OSError, ValueError, LookupError):
        return seen | {'faults': ['is no XML']}
    size = root.find('size')
    if size is not None:
        try:
            seen['size'] = [int(_text(size, k)) for k in ('width', 'height')]
        except ValueError:
            fault = 'has no width and height that are whole numbers in size'
            seen['faults'].append(fault)
    for thing in root.findall('object'):
        _look_at_object(thing, classes, seen)
    return seen


def _text(node: ElementTree.Element, key: str) -> str:
    child = node.find(key)
    return '' if child is None or child.text is None else child.text


def _look_at_object(
    thing: ElementTree.Element, classes: tuple[str, ...], seen: dict
) -> None:
    faults = seen['faults']
    name = thing.find('name')
    if name is None:
        faults.append('has an object without name')
        return
    if name.text not in classes:
        seen['others'].append(str(name.text))
        return
    seen['names'].append(name.text)
    if thing.find('difficult') is not None:
        try:
            int(_text(thing, 'difficult'))
        except ValueError:
            faults.append('has difficult that is no whole number')
    box = thing.find('bndbox')
    try:
        if box is None:
            raise ValueError
        values = [float(_text(box, key)) for key in CORNERS]
    except ValueError:
        faults.append('has an object without four numbers in bndbox')
        return
    if not all(abs(value) < float('inf') for value in values):
        faults.append('has NaN or infinite numbers in bndbox')
        return
    left, top, right, bottom = map(int, values)
    if right <= left or bottom <= top:
        fault = 'has a box whose xmax or ymax is not above its xmin or ymin'
        faults.append(fault)
    elif min(left, top) < -1 or (
        seen['size']
        and min(seen['size']) > 0
        and (right > seen['size'][0] + 2 or bottom > seen['size'][1] + 2)
    ):
        faults.append('has a box that reaches out of the image')


def _used(data_set: DataSet, seen: list[dict]) -> list[int]:
    """Indices of the images that are not left out."""
    filters = data_set.node.get('filter_cfg') or {}
    if data_set.node.get('test_mode'):
        return list(range(len(seen)))
    least = filters.get('min_size', 0)
    return [
        index
        for index, one in enumerate(seen)
        if (one['names'] or not filters.get('filter_empty_gt'))
        and (not one['size'] or min(one['size']) >= least)
    ]


def _check(cfg: Config, data_set: DataSet, decode: bool) -> Iterator[Finding]:
    names = _names(data_set)
    listed = data_set.ann_file
    if not names:
        yield Finding(f'{listed} is empty', file=str(listed))
        return
    seen = _look_at_all(data_set, names)
    files = [_xml(data_set, name) for name in names]
    wrong = list(_check_faults(files, seen, listed))
    yield from wrong
    used = _used(data_set, seen)
    yield from _check_left_out(data_set, seen, files, used)
    yield from _check_names(data_set, seen, files, bool(used))
    if used:
        yield from check_whole_batch(cfg, data_set, len(used))
    if any(finding.level == 'error' for finding in wrong):
        return
    decoder = decoder_of(data_set.node.get('pipeline'))
    if decoder is not None:
        images = [_image(data_set, names[i]) for i in used]
        found = look_at_images(images, decoder, decode)
        yield from check_image_files(images, found, str(listed))
        yield from _check_sizes(
            listed, [(files[i], seen[i]) for i in used], images, found
        )


def _check_faults(
    files: list[str], seen: list[dict], listed: Path
) -> Iterator[Finding]:
    for fault, (mend, level) in KINDS.items():
        wrong = [
            file
            for file, one in zip(files, seen, strict=True)
            if fault in one['faults']
        ]
        if wrong:
            what = f'{wrong[0]} {fault}'
            if len(wrong) > 1:
                what = (
                    f'{len(wrong)} of {len(files)} files of {listed}: each '
                    f'{fault}: {few(wrong)}'
                )
            yield Finding(what, mend, wrong[0], listed.name, level=level)


def _check_left_out(
    data_set: DataSet, seen: list[dict], files: list[str], used: list[int]
) -> Iterator[Finding]:
    """Looks for sizes that some programs do not know and write as 0."""
    lost = [
        files[index]
        for index in set(range(len(seen))).difference(used)
        if seen[index]['size'] and min(seen[index]['size']) <= 0
    ]
    if lost:
        yield Finding(
            f'{len(lost)} of {len(files)} files of {data_set.ann_file} have a '
            f'size of 0, and are left out by min_size: {few(sorted(lost))}',
            "write the image's width and height into size, or leave it out: "
            'mmdet asks the image then',
            min(lost),
            'size',
            level='warning',
        )


def _check_names(
    data_set: DataSet, seen: list[dict], files: list[str], any_used: bool
) -> Iterator[Finding]:
    """Looks for objects of names that are like a class, but none."""
    classes = data_set.metainfo.get('classes') or ()
    found = Counter(name for one in seen for name in one['names'])
    others = Counter(name for one in seen for name in one['others'])
    unlike = []
    for name, number in others.items():
        alike = [c for c in classes if c.lower() == name.strip().lower()]
        alike = alike or nearest(name, classes, ALIKE)
        if not alike:
            unlike.append(name)
            continue
        file = files[[name in one['others'] for one in seen].index(True)]
        yield Finding(
            f'{file}: {name!r} is none of the classes of {data_set.path}, '
            f'and {number} objects of it are background'
            f'{did_you_mean(alike)}',
            file=file,
            entry=name,
            level='warning',
        )
    if unlike and found:
        number = sum(others[name] for name in unlike)
        yield Finding(
            f'{data_set.ann_file}: {number} objects are of none of the '
            f'classes of {data_set.path}: {few(sorted(unlike), 8)}',
            file=str(data_set.ann_file),
            entry=unlike[0],
            level='note',
        )
    if not any_used or not found:
        training = not data_set.node.get('test_mode')
        yield Finding(
            f'{data_set.ann_file}: no object of the classes '
            f'({few([str(c) for c in classes], 8)}) is left; the files have '
            f'{few(sorted(others), 8) or "none"}',
            'look at classes of metainfo',
            str(data_set.ann_file),
            level='error' if training else 'warning',
        )


def _check_sizes(
    listed: Path, xmls: list[tuple[str, dict]], images: list[str], found: list
) -> Iterator[Finding]:
    wrong = [
        f'{file} ({one["size"][0]}x{one["size"][1]}, image '
        f'{image.width}x{image.height})'
        for (file, one), image in zip(xmls, found, strict=True)
        if one['size']
        and image.width
        and min(one['size']) > 0
        and one['size'] != [image.width, image.height]
    ]
    if wrong:
        yield Finding(
            f'{len(wrong)} of {len(images)} images of {listed} have another '
            f'size than their annotations: {few(wrong)}',
            'scale or turn the boxes with the images (an EXIF orientation '
            'turns them, too), or correct width and height',
            wrong[0].partition(' (')[0],
            'size',
        )
