"""Data sets of label maps: the files that the library will read, and how."""

from collections.abc import Collection, Generator, Iterator
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS, TRANSFORMS

from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.files import check_exists
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.images import Decoder, decoder_of
from mmuniformer.checks.label_maps.folders import check_images
from mmuniformer.hosts import HOSTS
from mmuniformer.nodes import walk

# What a label is changed to that is not to be learned, whatever a head says.
LEFT_OUT = 255
OWN = (*HOSTS, 'mmcv', 'mmengine', 'mmuniformer')


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
    decoder: Decoder | None
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


def distinct_sets(cfg: Config, phases: Collection[str]) -> Iterator[DataSet]:
    """The data sets of mmseg, each once: often val and test are one."""
    before = []
    for data_set in data_sets(cfg, phases):
        if data_set.host == 'mmseg' and data_set.node not in before:
            before.append(data_set.node)
            yield data_set


def open_maps(
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
    # Of a folder mmseg takes what is below the prefixes, as without a list.
    if data_set.ann_file is not None and not data_set.ann_file.is_dir():
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
        decoder_of(node.get('pipeline') or []),
        not any(map(_may_change_labels, _transforms(node))),
    )


def opened_maps(data_set: DataSet) -> LabelMaps | None:
    """What :func:`open_maps` returns, without what it has to say."""
    opening = open_maps(data_set)
    try:
        while True:
            next(opening)
    except StopIteration as opened:
        return opened.value


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
