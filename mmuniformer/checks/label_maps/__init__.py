"""Maps of labels (semantic segmentation)."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmuniformer.checks import images as image_files
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.label_maps.files import (
    Seen,
    cut_values,
    is_wide,
    look_at_maps,
    read_map,
)
from mmuniformer.checks.label_maps.folders import (
    check_maps,
    check_spare_maps,
    spare_maps,
)
from mmuniformer.checks.label_maps.ignored import check_ignored_labels
from mmuniformer.checks.label_maps.sets import (
    LabelMaps,
    distinct_sets,
    open_maps,
    opened_maps,
)
from mmuniformer.checks.label_maps.sizes import check_sizes
from mmuniformer.checks.label_maps.values import (
    SHOWN_LABELS,
    Model,
    check_files,
    cut_finding,
    labels_finding,
)
from mmuniformer.checks.summary import Summary


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
    for data_set in distinct_sets(cfg, phases):
        maps = yield from open_maps(data_set)
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
        yield from check_sizes(maps, pairs, seen, read)
        wrong = list(check_files(maps, names, seen, model))
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
    yield from check_ignored_labels(cfg, phases)


def summary(data_set: DataSet, decode: bool = False) -> Summary | None:
    """Pixels of each class; None for what is no data set of label maps.

    Args:
        data_set (DataSet): Of a config.
        decode (bool): Whether to read every map, as for
            :func:`check_label_maps`. Otherwise the pixels of a large data set
            are those of the maps that were looked at.
    """
    maps = opened_maps(data_set)
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


def _labels_of(seen: Seen, labels: np.ndarray) -> Counter:
    """Pixels by label."""
    found: Counter = Counter()
    for value, pixels in seen.values:
        found[int(labels[value])] += pixels
    return found


def _check_spare(
    cfg: Config, phases: Collection[str], opened: Sequence[LabelMaps]
) -> Iterator[Finding]:
    """Looks for maps that no data set uses: phases may share a folder."""
    spare = [spare_maps(m.maps, m.images, m.built) for m in opened]
    if not any(spare):
        return
    others = {'train', 'val', 'test'}.difference(phases)
    more = [
        opened_maps(data_set)
        for data_set in distinct_sets(cfg, sorted(others))
    ]
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


def _check_classes(
    maps: LabelMaps, found: Counter, decoded: int, number: int, model: Model
) -> Iterator[Finding]:
    """Classes that never occur in a data set, and what was looked at."""
    path = maps.data_set.path
    if decoded < number:
        yield Finding(
            f'{path}: the labels of {decoded} of {number} maps were read, '
            'and the headers of all',
            'mmuniformer check --decode reads all',
            entry=path,
            level='note',
        )
    count = model.num_classes or len(maps.classes)
    present = [k for k in range(count) if found[k] and k != model.ignore_index]
    if len(present) == 1 and count > 1 and number > 1:
        reduced = maps.built.reduce_zero_label
        yield Finding(
            f'{path}: every pixel that is not ignored is '
            f'{called(present[0], maps.classes)}, in all {decoded} maps '
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
            called(k, maps.classes)
            for k in range(count)
            if not found[k] and k != model.ignore_index
        ]
        if absent:
            yield Finding(
                f'{path}: no pixel of the {decoded} maps that were looked at '
                f'is {listed(absent)}',
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
            f'{listed([called(k, names) for k in scored])}, which '
            f'{phase}_dataloader has: it cannot be learned, and is scored',
            'see whether the maps are split as they should be',
            entry='train_dataloader',
            level='warning',
        )


def _names(cfg: Config, phases: Collection[str]) -> list[str]:
    for data_set in distinct_sets(cfg, phases):
        return list(data_set.metainfo.get('classes') or ())
    return []


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
            yield cut_finding(path, cut)
            return
    present = np.flatnonzero(np.bincount(labels.ravel()))
    wrong = present[(present >= num_classes) & (present != ignore_index)]
    if len(wrong):
        yield labels_finding(
            path, wrong.tolist(), num_classes, ignore_index, reduced
        )


def called(label: int, names: Sequence[str]) -> str:
    return f"{label} '{names[label]}'" if label < len(names) else str(label)


def listed(words: Sequence[str]) -> str:
    more = len(words) - SHOWN_LABELS
    end = f' and {more} more' if more > 0 else ''
    return ', '.join(words[:SHOWN_LABELS]) + end
