"""Annotations of COCO's form, as mmdet's data sets read them."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmuniformer.checks import scan
from mmuniformer.checks.batches import check_whole_batch
from mmuniformer.checks.coco_file import no_collection, read_coco
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.detection.boxes import check_boxes
from mmuniformer.checks.detection.evaluators import (
    check_evaluators,
    metrics_on,
)
from mmuniformer.checks.detection.masks import BOXES_ALONE, check_masks
from mmuniformer.checks.detection.table import (
    Reading,
    Table,
    check_ids,
    check_ids_of_evaluation,
    check_keys,
    entry_finding,
)
from mmuniformer.checks.files import (
    check_exists,
    check_named,
    check_prefix,
)
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.images import (
    Decoder,
    Seen,
    check_image_files,
    decoder_of,
    is_local,
    look_at_images,
)
from mmuniformer.checks.summary import Summary
from mmuniformer.nodes import type_name, walk


def check_coco(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at the annotations of data sets of mmdet, and at their images.

    And at the files of evaluators that read COCO's form, of any library:
    whether they are about the images of the data sets.

    Args:
        cfg (Config): It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to decode every image and mask as well.
    """
    told = set()
    for finding in _check_all(cfg, phases, decode):
        # Validation and test are often of the same file.
        if finding not in told:
            told.add(finding)
            yield finding


def _check_all(
    cfg: Config, phases: Collection[str], decode: bool
) -> Iterator[Finding]:
    yield from _check_mask_head(cfg, phases)
    for data_set in data_sets(cfg, phases):
        if _is_read(data_set):
            yield from _check_data_set(cfg, data_set, decode)
        elif _is_coco(data_set):
            yield from check_named(data_set)
    yield from check_evaluators(cfg, phases, _look_at_file)


def summary(data_set: DataSet) -> Summary | None:
    """Boxes of each class of a data set; None if it is of another kind."""
    if not _is_read(data_set) or not _is_file(data_set.ann_file):
        return None
    if any(_check_prefix(data_set)):
        return None
    found = _look(data_set, (), decode=False)
    if found['samples'] is None:
        return None
    return Summary(
        data_set.path,
        data_set.phase,
        'boxes',
        found['samples'],
        found['boxes'],
        Counter(tuple(size) for size in found['sizes']),
        [Path(p) for p in _paths(data_set, found)],
    )


def _is_read(data_set: DataSet) -> bool:
    """Whether a data set reads COCO's form from this machine's disk."""
    local = is_local(data_set.node.get('backend_args'))
    return local and data_set.ann_file is not None and _is_coco(data_set)


def _is_coco(data_set: DataSet) -> bool:
    if data_set.host != 'mmdet' or not data_set.read_by:
        return False
    from mmdet.datasets import CocoDataset

    return issubclass(data_set.kind, CocoDataset)


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()


def reading_of(data_set: DataSet, evaluated: tuple[str, ...]) -> Reading:
    """How the library reads the file of a data set."""
    from mmdet.datasets import (
        CityscapesDataset,
        CocoDataset,
        CocoPanopticDataset,
        LVISV05Dataset,
        LVISV1Dataset,
    )

    kind, node = data_set.kind, data_set.node
    classes = data_set.metainfo.get('classes')
    if not all(isinstance(name, str) for name in classes or ()):
        # The check of classes says so.
        classes = None
    form, file_key = 'coco', 'file_name'
    if issubclass(kind, CocoPanopticDataset):
        form = 'panoptic'
    elif issubclass(kind, (LVISV1Dataset, LVISV05Dataset)):
        form, classes = 'lvis', None
        if issubclass(kind, LVISV1Dataset):
            file_key = 'coco_url'
    parsers = (
        CocoDataset.parse_data_info,
        CocoPanopticDataset.parse_data_info,
    )
    if kind.parse_data_info not in parsers:
        form = 'own'
    filters = node.get('filter_cfg') or {}
    masks = 'none'
    for _, step in walk(node.get('pipeline')):
        if type_name(step) == 'LoadAnnotations' and step.get('with_mask'):
            masks = 'all' if step.get('poly2mask', True) else 'polygons'
    return Reading(
        form,
        file_key,
        tuple(classes) if isinstance(classes, (list, tuple)) else None,
        training=not node.get('test_mode', False),
        filter_empty=bool(filters.get('filter_empty_gt')),
        filter_crowds=issubclass(kind, CityscapesDataset),
        min_size=filters.get('min_size', 0),
        unique_ids=kind.ANN_ID_UNIQUE,
        masks='none' if form == 'panoptic' else masks,
        evaluated=evaluated,
    )


def _check_data_set(
    cfg: Config, data_set: DataSet, decode: bool
) -> Iterator[Finding]:
    path = data_set.ann_file
    if not path.is_file():
        yield from check_exists(path, data_set.path, 'ann_file')
        return
    prefix = list(_check_prefix(data_set))
    yield from prefix
    if prefix:
        return
    found = _look(data_set, metrics_on(cfg, data_set), decode)
    findings = [Finding(**values) for values in found['findings']]
    yield from findings
    own = reading_of(data_set, ()).own
    if own or any(finding.level == 'error' for finding in findings):
        return
    yield from check_whole_batch(cfg, data_set, found['samples'])
    yield from _check_images(data_set, found, decode)


def _check_prefix(data_set: DataSet) -> Iterator[Finding]:
    wrong = list(check_prefix(data_set))
    yield from wrong
    prefix = data_set.node.get('data_prefix') or {}
    if not wrong and 'img' not in prefix and not data_set.own_defaults:
        place = f'{data_set.path}.data_prefix'
        yield Finding(
            f"{place} has no 'img': {data_set.name} joins it with the names "
            'of the images',
            f"{place}=dict(img='') if these are below data_root itself",
            entry=place,
        )


def _look(
    data_set: DataSet, evaluated: tuple[str, ...], decode: bool
) -> dict[str, Any]:
    reading = reading_of(data_set, evaluated)
    return _look_at_file(data_set.ann_file, reading, decode)


def _look_at_file(
    path: Path, reading: Reading, decode: bool
) -> dict[str, Any]:
    """Everything that is seen in a file, from the cache if it is there.

    Returns:
        dict: Values of JSON: ``findings``; ``samples``, the number of images
        that are used, None if the file cannot be read; of these ``files``
        and ``sizes``; and ``boxes`` of each class.
    """
    if decode and reading.masks == 'none' and not reading.evaluated:
        decode = False
    about = ['coco', asdict(reading), decode]
    look = partial(_look_anew, path, reading, decode)
    with no_collection():
        return scan.remembered([path], about, look)


def _look_anew(path: Path, reading: Reading, decode: bool) -> dict[str, Any]:
    nothing = {'samples': None, 'files': [], 'sizes': [], 'boxes': {}}
    file = read_coco(path)
    findings = list(file.findings)
    if file.content is not None:
        findings += check_keys(path, file.content, reading)
    if any(finding.level == 'error' for finding in findings):
        return {'findings': list(map(asdict, findings)), **nothing}
    table = Table(path, file.content, reading)
    findings += check_ids(table)
    if not reading.own or reading.evaluated:
        findings += check_boxes(table)
        if reading.evaluated:
            findings += check_ids_of_evaluation(table)
        findings += check_masks(table, decode)
    if not reading.own and all(f.level != 'error' for f in findings):
        # Errors are why nothing is left.
        findings += _check_what_is_left(table)
    return {
        'findings': [asdict(finding) for finding in findings],
        **_figures(table),
    }


def _figures(table: Table) -> dict[str, Any]:
    used = table.used_images
    names = table.names
    boxes = dict.fromkeys(table.reading.classes or names.values(), 0)
    on_used = np.zeros(len(table.images) + 1, dtype=bool)
    on_used[used] = True
    ids = table.column('category_id')
    for index in np.flatnonzero(table.kept & on_used[table.places]):
        boxes[names[ids[index]]] += 1
    key = table.reading.file_key
    return {
        'samples': len(used),
        'files': [str(table.images[i].get(key, '')) for i in used],
        'sizes': np.nan_to_num(table.sizes[used]).astype(int).tolist(),
        'boxes': boxes,
    }


def _check_what_is_left(table: Table) -> Iterator[Finding]:
    """Looks whether there is something to train or to evaluate."""
    path, reading = table.path, table.reading
    if not table.images:
        yield Finding(
            f'{path} has no images', 'fill the list of images', str(path)
        )
        return
    number = f'{len(table.images)} images and {len(table.annotations)} boxes'
    used = table.used_images
    classes = ', '.join(map(str, (reading.classes or ())[:8]))
    kept = int(table.kept.sum())
    why = (
        f'of {number}, {int(table.wanted.sum())} boxes are of the classes '
        f'({classes}) and {kept} of them can be used; the categories of the '
        f'file are {_categories(table)}'
    )
    if not len(used):
        limit = f', min_size={reading.min_size}' if reading.min_size else ''
        yield Finding(
            f'{path}: nothing is left after filtering '
            f'(filter_empty_gt={reading.filter_empty}{limit}): {why}',
            'look at classes of metainfo and at the boxes',
            str(path),
        )
    elif not kept and (reading.training or reading.evaluated):
        yield Finding(
            f'{path}: no object is left: {why}',
            'look at classes of metainfo and at the boxes',
            str(path),
            level='error' if reading.training else 'warning',
        )


def _categories(table: Table) -> str:
    names = [str(category['name']) for category in table.categories]
    more = ', ...' if len(names) > 8 else ''
    return f'{", ".join(names[:8])}{more}' if names else 'none'


def _paths(data_set: DataSet, found: dict[str, Any]) -> list[str]:
    """The image files, named as the library names them."""
    from mmdet.datasets import (
        LVISV05Dataset,
        LVISV1Dataset,
        Objects365V2Dataset,
    )

    names, kind = found['files'], data_set.kind
    if issubclass(kind, LVISV1Dataset):
        start = 'http://images.cocodataset.org/'
        names = [name.replace(start, '') for name in names]
    elif issubclass(kind, LVISV05Dataset):
        names = [n[-16:] if n.startswith('COCO') else n for n in names]
    elif issubclass(kind, Objects365V2Dataset):
        names = ['/'.join(Path(name).parts[-2:]) for name in names]
    folder = (data_set.node.get('data_prefix') or {}).get('img', '')
    root = data_set.below_root(folder)
    return [str(root / name) for name in names]


def _check_images(
    data_set: DataSet, found: dict[str, Any], decode: bool
) -> Iterator[Finding]:
    """Looks at the files of the images that are used."""
    decoder = decoder_of(data_set.node.get('pipeline'))
    files = _paths(data_set, found)
    folder = (data_set.node.get('data_prefix') or {}).get('img', '')
    if decoder is None or any('://' in str(f) for f in (folder, *files[:1])):
        return
    seen = look_at_images(files, decoder, decode)
    if files and all(image.problem == 'does not exist' for image in seen):
        yield _no_image(data_set, files, found['files'])
        return
    yield from check_image_files(files, seen, str(data_set.ann_file))
    yield from _check_image_sizes(data_set.ann_file, found, seen, decoder)


def _no_image(
    data_set: DataSet, files: list[str], names: list[str]
) -> Finding:
    key = f'{data_set.path}.data_prefix.img'
    mend = f'put them there, or say where they are ({key})'
    if data_set.below_root(names[0]).is_file():
        mend = f"file_name has the folder in it: set {key}=''"
    elif '\\' in names[0]:
        mend = 'file_name has the backslashes of Windows: write slashes'
    return Finding(
        f'{data_set.ann_file}: none of its {len(files)} images exists: '
        f'{files[0]}',
        mend,
        str(data_set.ann_file),
        key,
    )


def _check_image_sizes(
    path: Path, found: dict[str, Any], seen: list[Seen], decoder: Decoder
) -> Iterator[Finding]:
    """Compares the files with what the annotations say of them."""
    turned, unsure, other = [], [], []
    names = found['files']
    for name, size, image in zip(names, found['sizes'], seen, strict=True):
        if not image.width:
            continue
        real = [image.width, image.height]
        text = f'{name} ({size[0]}x{size[1]}, file {real[0]}x{real[1]})'
        if size == real:
            if image.orientation != 1 and _cannot_tell(image):
                unsure.append(f'{name} (orientation {image.orientation})')
        elif image.orientation >= 5 and size == real[::-1]:
            turned.append(text)
        else:
            other.append(text)
    total = f'{len(names)} images'
    what = 'the EXIF orientation turns the image and not its boxes in'
    mend = (
        f'width and height are those of before {decoder.backend} with '
        f"color_type='{decoder.flag}' has read it: turn the boxes as well, "
        "or set color_type='color_ignore_orientation' in LoadImageFromFile"
    )
    if 'ignore' in decoder.flag or decoder.flag == 'unchanged':
        what = (
            'width and height are those after the EXIF orientation has '
            f"turned the image, and color_type='{decoder.flag}' leaves it in"
        )
        mend = "set color_type='color' in LoadImageFromFile"
    if turned:
        yield entry_finding(
            path,
            what,
            turned,
            len(turned),
            total,
            mend,
            'error',
            turned[0],
        )
    if other:
        yield entry_finding(
            path,
            'width and height are not those of the file in',
            other,
            len(other),
            total,
            'if the images were resized, scale the boxes with them; else '
            'correct width and height',
            'error',
            other[0],
        )
    if unsure:
        yield entry_finding(
            path,
            'the EXIF orientation turns or flips an image without changing '
            'its size in',
            unsure,
            len(unsure),
            total,
            'look with browse_dataset.py whether the boxes are turned, too',
            'note',
            unsure[0],
        )


def _cannot_tell(image: Seen) -> bool:
    return image.orientation < 5 or image.width == image.height


def _check_mask_head(
    cfg: Config, phases: Collection[str]
) -> Iterator[Finding]:
    """Looks whether a head for masks is given masks in training."""
    if 'train' not in phases:
        return
    heads = [
        f'{path}.mask_head'
        for path, node in walk(cfg.get('model'), 'model')
        if node.get('mask_head')
    ]
    for data_set in data_sets(cfg, ('train',)) if heads else ():
        steps = [
            step
            for _, step in walk(data_set.node.get('pipeline'))
            if 'Annotations' in type_name(step)
        ]
        plain = [type_name(step) == 'LoadAnnotations' for step in steps]
        masks = any(step.get('with_mask') for step in steps)
        if _is_read(data_set) and plain and all(plain) and not masks:
            yield Finding(
                f'{heads[0]} learns from masks, and the pipeline of '
                f'{data_set.path} loads none',
                f'set with_mask=True in its LoadAnnotations; {BOXES_ALONE}',
                entry=f'{data_set.path}.pipeline',
            )
