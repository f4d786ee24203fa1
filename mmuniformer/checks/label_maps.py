"""Maps of labels (semantic segmentation)."""

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS

from mmuniformer.checks import images as image_files
from mmuniformer.checks import scan
from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.ignored_labels import check_ignored_labels
from mmuniformer.checks.label_map_files import (
    LOSSY,
    LYING,
    Seen,
    cut_values,
    fits_stored,
    is_wide,
    look_at_maps,
    read_map,
)
from mmuniformer.checks.label_map_folders import (
    check_images,
    check_maps,
    check_spare_maps,
    several,
    spare_maps,
)
from mmuniformer.checks.summary import Summary
from mmuniformer.hosts import HOSTS
from mmuniformer.nodes import walk

SHOWN_LABELS = 5
# Of the images that EXIF turns into the same size, so many are compared.
COMPARED = 64
# What a label is changed to that is not to be learned, whatever a head says.
LEFT_OUT = 255
OWN = (*HOSTS, 'mmcv', 'mmengine', 'mmuniformer')


@dataclass(frozen=True)
class Model:
    """What of a model's config gives labels a meaning.

    Attributes:
        num_classes (int, optional): Labels are below it; None if no head
            says.
        ignore_index (int, optional): The one label besides them; None if
            there is none.
    """

    num_classes: int | None
    ignore_index: int | None

    @classmethod
    def of(cls, cfg: Config) -> 'Model':
        """That of the last decode head, as the transform is told it."""
        model = cfg.get('model') or {}
        head = model.get('module', model).get('decode_head') or {}
        head = head[-1] if isinstance(head, (list, tuple)) else head
        number = head.get('num_classes')
        # One output channel tells two classes apart.
        number = max(number, 2) if isinstance(number, int) else None
        return cls(number, head.get('ignore_index', LEFT_OUT))


@dataclass
class LabelMaps:
    """The maps of a data set, as the library reads them.

    Attributes:
        data_set (DataSet): Of the config.
        built (BaseSegDataset): With the list of its files.
        images (list[str]): Files of the images.
        maps (list[str]): Files of their maps; empty if none are read.
        loader (dict, optional): The transform that reads maps; None if there
            is none, or if it is not the library's own.
        decoder (Decoder, optional): How the images are read; None if they
            are no single files of an image format.
        final (bool): Whether no transform of the user's changes labels.
    """

    data_set: DataSet
    built: Any
    images: list[str]
    maps: list[str]
    loader: dict | None
    decoder: image_files.Decoder | None
    final: bool

    def pairs(self) -> list[tuple[str, str]]:
        """Files of maps and of their images, of those that exist."""
        return [
            (map_, image)
            for map_, image in zip(self.maps, self.images, strict=False)
            if Path(map_).is_file() and Path(image).is_file()
        ]

    @property
    def backend(self) -> str:
        """The decoder of mmcv that reads maps."""
        return (self.loader or {}).get('imdecode_backend', 'pillow') or 'cv2'

    @property
    def classes(self) -> list[str]:
        """Names of the classes; empty if the config names none."""
        return list(self.built.metainfo.get('classes') or ())

    def labels(self) -> np.ndarray:
        """The label that each value 0 to 255 of a file becomes, (256,)."""
        labels = np.arange(256)
        if self.built.reduce_zero_label:
            labels = np.where(labels == 0, 255, labels) - 1
            labels[labels == 254] = LEFT_OUT
        as_they_were = labels.copy()
        for old, new in (self.built.label_map or {}).items():
            labels[as_they_were == old] = new
        return labels


def check_label_maps(
    cfg: Config, phases: Collection[str], decode: bool = False
) -> Iterator[Finding]:
    """Looks at the maps of a config of mmseg, and at what is ignored.

    Args:
        cfg (Config): Its default scope is active. It is not changed.
        phases (Collection[str]): Of 'train', 'val' and 'test', those whose
            data are read.
        decode (bool): Whether to read the labels of every map; of a large
            data set only those of a sample are read otherwise.
    """
    model = Model.of(cfg)
    pixels: dict[str, Counter] = {}
    whole = set(phases)
    opened = []
    for data_set in _distinct(cfg, phases):
        maps = yield from _open(data_set)
        if maps is None:
            continue
        opened.append(maps)
        images = [image for image in maps.images if Path(image).is_file()]
        read = _look_at_images(maps, images, decode)
        source = maps.built.ann_file or data_set.path
        yield from image_files.check_image_files(
            list(read), list(read.values()), source
        )
        yield from check_maps(maps.maps, maps.images, maps.built)
        pairs = maps.pairs()
        if not pairs:
            continue
        names = [map_ for map_, _ in pairs]
        seen = look_at_maps(names, maps.backend, decode)
        wrong = list(_check_files(maps, pairs, seen, read, model))
        yield from wrong
        decoded = sum(s.decoded for s in seen)
        if decoded < len(maps.maps):
            whole.discard(data_set.phase)
        if not maps.final or any(f.level == 'error' for f in wrong):
            # What classes there are is not known.
            whole.discard(data_set.phase)
            continue
        found = Counter()
        for one in seen:
            found.update(_labels_of(one, maps.labels()))
        pixels.setdefault(data_set.phase, Counter()).update(found)
        yield from _check_classes(maps, found, decoded, len(seen), model)
    yield from _check_spare(cfg, phases, opened)
    names = _names(cfg, phases)
    yield from _check_phases(pixels, whole, names, model)
    yield from check_ignored_labels(cfg, phases, pixels)


def summary(data_set: DataSet, decode: bool = False) -> Summary | None:
    """Pixels of each class; None for what is no data set of label maps.

    Args:
        data_set (DataSet): Of a config.
        decode (bool): Whether to read every map, as for
            :func:`check_label_maps`. Otherwise the pixels of a large data set
            are those of the maps that were looked at.
    """
    maps = _opened(data_set)
    if maps is None:
        return None
    images = [image for image in maps.images if Path(image).is_file()]
    read = _look_at_images(maps, images, decode)
    names = [map_ for map_, _ in maps.pairs()]
    pixels: Counter = Counter()
    for one in look_at_maps(names, maps.backend, decode):
        pixels.update(_labels_of(one, maps.labels()))
    names = maps.classes or [str(k) for k in range(max(pixels, default=0) + 1)]
    return Summary(
        path=data_set.path,
        phase=data_set.phase,
        unit='pixels',
        samples=len(maps.images),
        classes={name: pixels[k] for k, name in enumerate(names)},
        sizes=Counter((s.width, s.height) for s in read.values() if s.width),
        files=[Path(image) for image in maps.images],
    )


def _look_at_images(
    maps: LabelMaps, images: list[str], decode: bool
) -> dict[str, image_files.Seen]:
    if maps.decoder is None:
        return {}
    seen = image_files.look_at_images(images, maps.decoder, decode)
    return dict(zip(images, seen, strict=True))


def _distinct(cfg: Config, phases: Collection[str]) -> Iterator[DataSet]:
    """The data sets of mmseg, each once: often val and test are one."""
    before = []
    for data_set in data_sets(cfg, phases):
        if data_set.host == 'mmseg' and data_set.node not in before:
            before.append(data_set.node)
            yield data_set


def _open(
    data_set: DataSet,
) -> Generator[Finding, None, LabelMaps | None]:
    """Makes the library's list of files.

    Yields:
        Finding: Why there is none.

    Returns:
        LabelMaps, optional: None if there is nothing to look at.
    """
    node = data_set.node
    prefix = dict(node.get('data_prefix') or {})
    places = [node.get('data_root'), node.get('ann_file'), *prefix.values()]
    elsewhere = (node.get('backend_args') or {}).get('backend', 'local')
    if data_set.host != 'mmseg' or elsewhere != 'local':
        return None
    if any('://' in str(place) for place in places):
        return None
    loader = _transform(node, 'LoadAnnotations')
    needed = ['img_path', 'seg_map_path'] if loader else ['img_path']
    missing = []
    for key in needed:
        if prefix.get(key):
            place = data_set.below_root(prefix[key])
            missing += check_exists(place, data_set.path, f'data_prefix.{key}')
    if data_set.ann_file is not None:
        missing += check_exists(data_set.ann_file, data_set.path, 'ann_file')
    if missing:
        yield from missing
        return None
    try:
        built = _build(data_set)
        infos = [built.get_data_info(i) for i in range(len(built))]
    # Whatever the data set raises here, it raises in the run.
    except Exception as error:
        text = ' '.join(str(error).split()) or type(error).__name__
        yield Finding(f'{data_set.path}: {text}', entry=data_set.path)
        return None
    images = [info['img_path'] for info in infos if 'img_path' in info]
    maps = [info['seg_map_path'] for info in infos if 'seg_map_path' in info]
    yield from check_images(images, built, data_set.path)
    if loader is None:
        maps = []
    elif images and not maps and hasattr(built, 'seg_map_suffix'):
        yield from _check_prefix(data_set, infos)
    if loader is not None:
        yield from _check_loader(data_set, loader, built)
    return LabelMaps(
        data_set,
        built,
        images,
        maps,
        loader,
        image_files.decoder_of(node.get('pipeline') or []),
        not any(map(_may_change_labels, _transforms(node))),
    )


def _opened(data_set: DataSet) -> LabelMaps | None:
    """What :func:`_open` returns, without what it has to say."""
    opening = _open(data_set)
    try:
        while True:
            next(opening)
    except StopIteration as opened:
        return opened.value


def _check_spare(
    cfg: Config, phases: Collection[str], opened: Sequence[LabelMaps]
) -> Iterator[Finding]:
    """Looks for maps that no data set uses: phases may share a folder."""
    spare = [spare_maps(m.maps, m.images, m.built) for m in opened]
    if not any(spare):
        return
    others = {'train', 'val', 'test'}.difference(phases)
    more = [_opened(data_set) for data_set in _distinct(cfg, sorted(others))]
    used = {
        str(Path(file))
        for maps in (*opened, *more)
        if maps is not None
        for file in maps.maps
    }
    for maps, files in zip(opened, spare, strict=True):
        yield from check_spare_maps(
            [file for file in files if file not in used], maps.built
        )


def _build(data_set: DataSet) -> Any:
    changed = dict(pipeline=[])
    keys = signature(data_set.kind).parameters.values()
    if any(
        k.name == 'serialize_data' or k.kind == k.VAR_KEYWORD for k in keys
    ):
        # An empty list cannot be serialized.
        changed['serialize_data'] = False
    return DATASETS.build(deepcopy(dict(data_set.node)) | changed)


def _check_prefix(data_set: DataSet, infos: list[dict]) -> Iterator[Finding]:
    if 'depth_map_path' not in infos[0]:
        yield Finding(
            f'{data_set.path}.data_prefix has no seg_map_path, and '
            'LoadAnnotations is in the pipeline',
            'name the folder of the maps, or take LoadAnnotations out if '
            'there are none',
            entry=f'{data_set.path}.data_prefix',
        )


def _check_loader(
    data_set: DataSet, loader: dict, built: Any
) -> Iterator[Finding]:
    own = loader.get('reduce_zero_label')
    if own is not None and own != built.reduce_zero_label:
        yield Finding(
            f'LoadAnnotations(reduce_zero_label={own}) of {data_set.path} is '
            f'not what the data set has: {built.reduce_zero_label}',
            f'take it out of LoadAnnotations and set {data_set.path}.'
            'reduce_zero_label',
            entry=f'{data_set.path}.pipeline',
        )


def _transforms(node: dict) -> list[tuple[dict, type]]:
    found = []
    with TRANSFORMS.switch_scope_and_registry(None) as registry:
        for _, step in walk(node.get('pipeline') or []):
            kind = step.get('type')
            kind = registry.get(kind) if isinstance(kind, str) else kind
            if isinstance(kind, type):
                found.append((step, kind))
    return found


def _transform(node: dict, name: str) -> dict | None:
    """The first transform of the libraries that has this name."""
    for step, kind in _transforms(node):
        package = kind.__module__.partition('.')[0]
        if kind.__name__ == name and package in OWN:
            return step
    return None


def _may_change_labels(transform: tuple[dict, type]) -> bool:
    """Whether a transform of the user's own names the map of labels."""
    _, kind = transform
    if kind.__module__.partition('.')[0] in OWN:
        return False
    own = [
        base
        for base in kind.__mro__
        if base.__module__.partition('.')[0] not in (*OWN, 'builtins')
    ]
    names = set()
    for base in own:
        for method in vars(base).values():
            code = getattr(method, '__code__', None)
            names.update(map(str, getattr(code, 'co_consts', ())))
    return not names.isdisjoint({'gt_seg_map', 'seg_fields'})


def _labels_of(seen: Seen, labels: np.ndarray) -> Counter:
    """Pixels by label."""
    found: Counter = Counter()
    for value, pixels in seen.values:
        found[int(labels[value])] += pixels
    return found


def _check_files(
    maps: LabelMaps,
    pairs: Sequence[tuple[str, str]],
    found: Sequence[Seen],
    images: dict[str, image_files.Seen],
    model: Model,
) -> Iterator[Finding]:
    """What is wrong with single files."""
    names = [map_ for map_, _ in pairs]
    both = list(zip(names, found, strict=True))
    damaged = [(n, s) for n, s in both if s.error]
    if damaged:
        yield _finding(
            damaged,
            f'{damaged[0][0]} cannot be read: it is damaged, or no image '
            f'({damaged[0][1].error})',
        )
    yield from _check_channels(maps, both)
    cut = [(n, s) for n, s in both if s.cut]
    if cut:
        yield _cut(cut[0][0], cut[0][1].cut, cut)
    lossy = [
        (n, s) for n, s in both if s.format in LOSSY and len(s.values) > 1
    ]
    if lossy:
        yield _finding(
            lossy,
            f'{lossy[0][0]} is a JPEG: its compression changes values at '
            f'the edges of objects (it holds {len(lossy[0][1].values)} of '
            'them), so they are no labels',
            'write maps as PNG from where they were made; a JPEG cannot be '
            'repaired',
        )
    yield from _check_sizes(maps, pairs, found, images)
    if maps.final:
        known = [(n, s) for n, s in both if s.format not in LOSSY]
        yield from _check_labels(maps, known, model)


def _check_channels(
    maps: LabelMaps, both: list[tuple[str, Seen]]
) -> Iterator[Finding]:
    palette = [
        (n, s) for n, s in both if s.channels > 1 and s.mode in ('P', 'PA')
    ]
    if palette:
        yield _finding(
            palette,
            f'{palette[0][0]} has a palette, and the decoder of '
            f'{maps.data_set.path} (imdecode_backend='
            f'{(maps.loader or {}).get("imdecode_backend")!r}) reads its '
            'colours in place of its indices',
            "leave imdecode_backend out of LoadAnnotations: 'pillow' reads "
            'the indices',
        )
    coloured = [
        (n, s) for n, s in both if s.channels > 1 and s.mode not in ('P', 'PA')
    ]
    if coloured:
        name, seen = coloured[0]
        yield _finding(
            coloured,
            f'{name} has {seen.channels} channels: a map of labels has one, '
            'which holds indices of classes',
            _mend_colours(seen, maps),
        )


def _mend_colours(seen: Seen, maps: LabelMaps) -> str:
    palette = [list(c) for c in maps.built.metainfo.get('palette') or []]
    if seen.colours and all(len(set(c)) == 1 for c in seen.colours):
        return 'its channels are alike: write one of them'
    # The value of a file that becomes each label.
    values = {int(k): v for v, k in enumerate(maps.labels()) if k != LEFT_OUT}
    known = [
        f'{tuple(c)} to {values[palette.index(c)]} '
        f'({maps.classes[palette.index(c)]})'
        for c in seen.colours
        if c in palette and palette.index(c) in values
    ]
    if not known:
        return 'write the index of the class of each colour in one channel'
    return (
        'its colours are those of metainfo.palette: write their indices in '
        f'one channel, {", ".join(known[:SHOWN_LABELS])}'
        f'{", ..." if len(known) > SHOWN_LABELS else ""}'
    )


def _cut(name: str, values: list, all_: Sequence = ()) -> Finding:
    shown = ', '.join(f'{value:g}' for value in values[:SHOWN_LABELS])
    first = values[0]
    became = (
        f': {first:g} becomes {int(first) & 255}'
        if np.isfinite(first) and first == int(first)
        else ''
    )
    return _finding(
        all_ or [(name, None)],
        f'{name} holds the value {shown}'
        f'{", ..." if len(values) > SHOWN_LABELS else ""}, and mmseg reads '
        f'whole numbers of 8 bits{became}',
        'write labels of 0 to 254, and 255 for what is ignored',
        entry=f'value {shown}',
    )


def _check_sizes(
    maps: LabelMaps,
    pairs: Sequence[tuple[str, str]],
    found: Sequence[Seen],
    images: dict[str, image_files.Seen],
) -> Iterator[Finding]:
    turns = maps.decoder is not None and maps.decoder.flag in (
        'color',
        'grayscale',
    )
    other, lying, doubtful = [], [], []
    for (map_, image), seen in zip(pairs, found, strict=True):
        read = images.get(image)
        if not seen.size or read is None or not read.width:
            continue
        size = [read.width, read.height]
        turned = turns and read.orientation > 1
        stored = size[::-1] if read.orientation in LYING else size
        if seen.size != size:
            is_lying = turned and seen.size == stored
            (lying if is_lying else other).append((map_, image, seen, read))
        elif turned and seen.size == stored:
            doubtful.append((map_, image, seen, read))
    if other:
        map_, image, seen, read = other[0]
        yield _finding(
            [(map_, seen) for map_, _, seen, _ in other],
            f'{map_} is {seen.size[0]} x {seen.size[1]} pixels and its '
            f'image {image} {read.width} x {read.height}',
        )
    if lying:
        _, _, seen, read = lying[0]
        yield _turned(
            lying,
            f' to {read.width} x {read.height} pixels, and not its map of '
            f'{seen.size[0]} x {seen.size[1]}',
            'error',
        )
    # Enough to see how the maps of a data set were drawn.
    doubtful = doubtful[:: max(1, len(doubtful) // COMPARED)]
    work = [
        (map_, maps.backend, image, read.orientation)
        for map_, image, _, read in doubtful
    ]
    fits = scan.each(fits_stored, work, 'turned images')
    doubtful = [d for d, fit in zip(doubtful, fits, strict=True) if fit]
    if doubtful:
        yield _turned(
            doubtful,
            ', and its map has edges where the image has them as it is stored',
            'warning',
        )


def _turned(
    files: list[tuple[str, str, Seen, image_files.Seen]],
    sizes: str,
    level: str,
) -> Finding:
    """Images that EXIF turns, and their maps not."""
    _, image, _, read = files[0]
    return _finding(
        [(map_, seen) for map_, _, seen, _ in files],
        f'EXIF orientation {read.orientation} turns {image}{sizes}',
        'turn the maps alike, or read the images as they are stored: '
        "LoadImageFromFile(color_type='color_ignore_orientation')",
        level=level,
    )


def _check_labels(
    maps: LabelMaps, both: list[tuple[str, Seen]], model: Model
) -> Iterator[Finding]:
    """Values that are no labels, and maps that have nothing to learn."""
    decoded = [(n, s) for n, s in both if s.decoded and not s.cut]
    if not decoded:
        return
    labels = maps.labels()
    values: Counter = Counter()
    for _, seen in decoded:
        values.update(dict(seen.values))
    if set(values) == {0, 255} and labels[255] == model.ignore_index:
        yield _foreground(maps, decoded, values)
        return
    number = model.num_classes or len(maps.classes) or LEFT_OUT
    allowed = {*range(number), model.ignore_index}
    wrong = [
        (n, s)
        for n, s in decoded
        if any(int(labels[v]) not in allowed for v, _ in s.values)
    ]
    if wrong:
        yield _out_of_range(maps, wrong, values, number, model)
    empty = [
        (n, s)
        for n, s in decoded
        if all(labels[v] == model.ignore_index for v, _ in s.values)
    ]
    if len(empty) == len(decoded):
        yield Finding(
            f'every pixel of the {len(empty)} maps of {maps.data_set.path} '
            f'that were looked at is ignored (label {model.ignore_index}'
            f'{_changed(maps)}): nothing can be learned or scored',
            'see what the maps hold and set reduce_zero_label, classes and '
            'ignore_index by it',
            file=empty[0][0],
            entry=maps.data_set.path,
        )
    elif empty:
        yield _finding(
            empty,
            f'{empty[0][0]} has only ignored pixels (label '
            f'{model.ignore_index}{_changed(maps)})',
            'leave it out, or see whether its labels are missing',
            # Where classes are left out, so are maps that have no others.
            level='note' if maps.built.label_map else 'warning',
        )
    else:
        yield from _check_mixture(decoded, labels, model)


def _foreground(
    maps: LabelMaps, decoded: list[tuple[str, Seen]], values: Counter
) -> Finding:
    share = values[255] / values.total()
    name, seen = decoded[0]
    mend = 'write them as 0 and 1 (divide by 255)'
    if seen.mode == '1':
        mend = (
            "leave imdecode_backend out of LoadAnnotations: 'pillow' reads "
            'maps of 1 bit as 0 and 1'
        )
    elif maps.built.reduce_zero_label:
        mend += ', and set reduce_zero_label=False, which ignores 0'
    return Finding(
        f'{maps.data_set.path}: every pixel of the {len(decoded)} maps that '
        f'were looked at is 0 or 255 ({name}, ...), and 255 is ignored: '
        f'the whole foreground, {share:.0%} of the pixels, would never be '
        'learned',
        mend,
        file=name,
        entry='label 255',
    )


def _check_mixture(
    decoded: list[tuple[str, Seen]], labels: np.ndarray, model: Model
) -> Iterator[Finding]:
    """Masks of 0 and 255 among maps of 0 and 1."""
    if model.num_classes != 2 or labels[255] != model.ignore_index:
        return
    held = [{value for value, _ in seen.values} for _, seen in decoded]
    masks = [d for d, h in zip(decoded, held, strict=True) if h == {0, 255}]
    both = any({1, 255} <= h for h in held)
    if len(masks) > 1 and len(masks) * 10 >= len(decoded) and not both:
        yield _finding(
            masks,
            f'{masks[0][0]} has only 0 and 255, while others have 0 and 1: '
            'its foreground is ignored',
            'write it as 0 and 1 (divide by 255), unless those pixels shall '
            'be ignored',
            level='warning',
        )


def _out_of_range(
    maps: LabelMaps,
    wrong: list[tuple[str, Seen]],
    values: Counter,
    number: int,
    model: Model,
) -> Finding:
    labels = maps.labels()
    allowed = {*range(number), model.ignore_index}
    name, seen = wrong[0]
    present = sorted({int(labels[v]) for v, _ in seen.values})
    bad = [label for label in present if label not in allowed]
    finding = _labels_finding(
        name,
        bad,
        number,
        model.ignore_index,
        bool(maps.built.label_map) or maps.built.reduce_zero_label,
    )
    return _finding(
        wrong,
        finding.what,
        _mend_range(maps, seen, set(values), number),
        entry=finding.entry,
    )


def _mend_range(
    maps: LabelMaps, seen: Seen, values: set[int], number: int
) -> str:
    held = sorted(values - {LEFT_OUT})
    changed = bool(maps.built.label_map) or maps.built.reduce_zero_label
    if seen.raw in ('L;2', 'L;4'):
        return (
            f'the file has {seen.raw[2]} bits, which decoders spread over 0 '
            'to 255: write it with 8 bits'
        )
    if values <= {0, 255}:
        return 'if 255 is the foreground, write 1 in its place'
    if not changed and held[0] in (0, 1) and held[-1] == number:
        return (
            'if classes count from 1, set reduce_zero_label=True in the data '
            'set; if not, a class is missing in the config'
        )
    if not changed and len(values) <= number and held[-1] > 2 * number:
        places = ', '.join(
            f'{value} to {label}'
            for label, value in enumerate(sorted(values)[:SHOWN_LABELS])
        )
        return (
            'write labels in place of shades of grey, if they mean classes: '
            f'{places}{", ..." if len(values) > SHOWN_LABELS else ""}'
        )
    return ''


def _check_classes(
    maps: LabelMaps, found: Counter, decoded: int, number: int, model: Model
) -> Iterator[Finding]:
    """Classes that never occur in a data set, and what was looked at."""
    path = maps.data_set.path
    if decoded < number:
        yield Finding(
            f'{path}: the labels of {decoded} of {number} maps were read, '
            'and the headers of all',
            'tools/dataset_tools/check_dataset.py --decode reads all',
            entry=path,
            level='note',
        )
    count = model.num_classes or len(maps.classes)
    present = [k for k in range(count) if found[k] and k != model.ignore_index]
    if len(present) == 1 and count > 1 and number > 1:
        reduced = maps.built.reduce_zero_label
        yield Finding(
            f'{path}: every pixel that is not ignored is '
            f'{_called(present[0], maps.classes)}, in all {decoded} maps '
            'that were looked at',
            'see whether the maps are the right ones'
            + (
                ', and whether 0 is a class: reduce_zero_label ignores it'
                if reduced
                else ''
            ),
            entry=path,
            level='warning',
        )
    elif present and len(present) < count:
        absent = [
            _called(k, maps.classes)
            for k in range(count)
            if not found[k] and k != model.ignore_index
        ]
        if absent:
            yield Finding(
                f'{path}: no pixel of the {decoded} maps that were looked at '
                f'is {_listed(absent)}',
                entry=path,
                level='note',
            )


def _check_phases(
    pixels: dict[str, Counter],
    whole: set[str],
    names: list[str],
    model: Model,
) -> Iterator[Finding]:
    """Classes that are scored and were never learned."""
    if 'train' not in pixels or 'train' not in whole:
        return
    count = model.num_classes or len(names)
    scored: dict[int, str] = {}
    for phase in pixels:
        for k in range(count):
            if pixels[phase][k] and not pixels['train'][k]:
                scored.setdefault(k, phase)
    scored.pop(model.ignore_index, None)
    if scored:
        phase = next(iter(scored.values()))
        yield Finding(
            f'no map of train_dataloader has '
            f'{_listed([_called(k, names) for k in scored])}, which '
            f'{phase}_dataloader has: it cannot be learned, and is scored',
            'see whether the maps are split as they should be',
            entry='train_dataloader',
            level='warning',
        )


def _names(cfg: Config, phases: Collection[str]) -> list[str]:
    for data_set in _distinct(cfg, phases):
        return list(data_set.metainfo.get('classes') or ())
    return []


def _called(label: int, names: Sequence[str]) -> str:
    return f"{label} '{names[label]}'" if label < len(names) else str(label)


def _listed(words: Sequence[str]) -> str:
    more = len(words) - SHOWN_LABELS
    end = f' and {more} more' if more > 0 else ''
    return ', '.join(words[:SHOWN_LABELS]) + end


def _changed(maps: LabelMaps) -> str:
    if maps.built.reduce_zero_label:
        return ', which reduce_zero_label makes of 0'
    return ', which classes left out become' if maps.built.label_map else ''


def _finding(
    files: Sequence[tuple[str, Seen | None]],
    what: str,
    mend: str = '',
    entry: str = '',
    level: str = 'error',
) -> Finding:
    """One finding for all files of a kind."""
    names = [name for name, _ in files]
    return Finding(
        what + several(names), mend, file=names[0], entry=entry, level=level
    )


def check_label_map(
    labels: np.ndarray,
    path: str,
    image_shape: tuple[int, ...],
    num_classes: int,
    ignore_index: int | None,
    reduced: bool = False,
) -> Iterator[Finding]:
    """Looks whether a map fits its image and the model, as it is loaded.

    Args:
        labels (np.ndarray): The map as it was read, whole numbers from 0.
        path (str): Its file.
        image_shape (tuple[int, ...]): Height and width of its image, in
            pixels, and anything after them.
        num_classes (int): Labels are below this number.
        ignore_index (int, optional): The one label besides them.
        reduced (bool): Whether ``reduce_zero_label`` has changed the labels.
    """
    if labels.ndim != 2:
        yield Finding(
            f'{path} has {labels.shape[-1]} channels: a map of labels has '
            'one, which holds indices of classes',
            file=path,
        )
        return
    height, width = image_shape[:2]
    if labels.shape != (height, width):
        yield Finding(
            f'{path} is {labels.shape[1]} x {labels.shape[0]} pixels and its '
            f'image {width} x {height}',
            file=path,
        )
        return
    # mmseg has made 8 bits of them: what was cut is in the file alone.
    if is_wide(path):
        cut = cut_values(read_map(path, 'pillow'))
        if cut:
            yield _cut(path, cut)
            return
    present = np.flatnonzero(np.bincount(labels.ravel()))
    wrong = present[(present >= num_classes) & (present != ignore_index)]
    if len(wrong):
        yield _labels_finding(
            path, wrong.tolist(), num_classes, ignore_index, reduced
        )


def _labels_finding(
    path: str,
    wrong: Sequence[int],
    num_classes: int,
    ignore_index: int | None,
    changed: bool,
) -> Finding:
    shown = ', '.join(map(str, wrong[:SHOWN_LABELS]))
    ignored = (
        'and none is ignored'
        if ignore_index is None
        else f'and {ignore_index} for what is ignored'
    )
    return Finding(
        f'{path} has the label {shown}'
        f'{", ..." if len(wrong) > SHOWN_LABELS else ""}'
        f'{" (after reduce_zero_label)" if changed else ""}: the model '
        f'has {num_classes} classes, so labels are 0 to '
        f'{num_classes - 1}, {ignored}',
        file=path,
        entry=f'label {shown}',
    )
