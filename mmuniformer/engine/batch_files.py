"""A batch in a file: what a dataloader gave, without running what it holds.

The samples of the five libraries are objects, and a pickle of objects is a
program. Here an object is its fields and the path of its class, and only the
classes of the libraries' ``structures`` can be asked for.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmuniformer.errors import CheckpointError
from mmuniformer.hosts import HOSTS

CLASS = '__class__'
# Of other objects only the type is written.
LEFT_OUT = '__left_out__'
# Where the libraries have the path of what a sample was read from, and
# mmaction2 has it by `engine.prepare`.
PATHS = ('img_path', 'filename', 'frame_dir', 'video_path', 'audio_path')
_PLAIN = (str, int, float, bool, type(None))


def files_of(batch: Any) -> list[str]:
    """Files that the samples of a batch were read from, each once.

    Args:
        batch (Any): As a dataloader gives it; samples may be at any depth.
    """
    found: dict[str, None] = {}
    for sample in _samples(batch):
        for key in PATHS:
            paths = sample.get(key)
            if paths:
                paths = [paths] if isinstance(paths, str) else paths
                found |= dict.fromkeys(str(path) for path in paths)
                break
    return list(found)


def _samples(value: Any) -> Iterator[BaseDataElement]:
    if isinstance(value, BaseDataElement):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _samples(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _samples(each)


def to_plain(value: Any) -> Any:
    """Containers, numbers, text, arrays and tensors that say the same."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        # A view would be written with all that it is a view of.
        return value.detach().cpu().clone()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biufcSU':
        return np.ascontiguousarray(value)
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        # A named one has other arguments.
        kind = list if isinstance(value, list) else tuple
        return kind(to_plain(each) for each in value)
    for kind in type(value).__mro__:
        path = f'{kind.__module__}.{kind.__qualname__}'
        if _is_known(path) and _writer(kind) is not None:
            return {CLASS: path, **_writer(kind)(value)}
    return {LEFT_OUT: type(value).__name__}


def from_plain(value: Any) -> Any:
    """What :func:`to_plain` was given; None for what it left out.

    Raises:
        CheckpointError: If the file asks for a class that is no structure of
            the five libraries.
    """
    if isinstance(value, list | tuple):
        return type(value)(from_plain(each) for each in value)
    if not isinstance(value, dict):
        return value
    if LEFT_OUT in value:
        return None
    fields = {k: from_plain(v) for k, v in value.items() if k != CLASS}
    if CLASS not in value:
        return fields
    kind = _class(value[CLASS])
    try:
        return _make(kind, fields)
    except (
        AssertionError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(
            f'the file holds no {kind.__name__} as one is written: {error}'
        ) from error


def _is_known(path: str) -> bool:
    package, _, rest = path.partition('.')
    known = package in HOSTS or package == 'mmengine'
    return known and rest.partition('.')[0] == 'structures'


def _class(path: Any) -> type:
    module, _, name = str(path).rpartition('.')
    found = None
    if _is_known(f'{module}.'):
        try:
            found = getattr(import_module(module), name, None)
        except ImportError:
            found = None
    if not isinstance(found, type) or _writer(found) is None:
        raise CheckpointError(
            f'the file asks for {path}, which is no structure of a library '
            'that is installed'
        )
    return found


def _writer(kind: type) -> Any:
    """What takes an object of a class apart, if somebody knows how."""
    if issubclass(kind, BaseDataElement):
        return _fields
    names = {base.__name__ for base in kind.__mro__}
    if 'BaseBoxes' in names:
        return lambda boxes: dict(tensor=to_plain(boxes.tensor))
    if names & {'BitmapMasks', 'PolygonMasks'}:
        return lambda masks: dict(
            masks=to_plain(masks.masks),
            height=int(masks.height),
            width=int(masks.width),
        )
    return None


def _fields(element: BaseDataElement) -> dict:
    return dict(
        metainfo=to_plain(dict(element.metainfo_items())),
        data=to_plain(dict(element.items())),
    )


def _make(kind: type, fields: dict) -> Any:
    if issubclass(kind, BaseDataElement):
        made = kind(metainfo=fields['metainfo'])
        made.set_data(fields['data'])
        return made
    if 'tensor' in fields:
        return kind(fields['tensor'], clone=False)
    return kind(fields['masks'], fields['height'], fields['width'])
