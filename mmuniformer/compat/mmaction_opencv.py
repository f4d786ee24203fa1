"""mmaction2's OpenCV reader on a video that ends early.

Defect: for a frame that cannot be decoded mmaction2 takes the frame before,
and so on, and seeks each time: a file cut in half gives clips of repeated
frames without a word, and takes minutes.
Applies to: mmaction2 1.2.0.
Upstream: https://github.com/open-mmlab/mmaction2 (no issue found)
Gone when: mmaction2 does not search for an earlier frame. A frame or two may
be missing at the end as before: the length that a container states is not
always exact.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmaction.datasets.transforms.loading'
_MISSING = 2


class _Frames:
    """Frames of a video by index; an error where too many are missing."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self._missing = 0

    def __getitem__(self, index: int) -> Any:
        frame = None if index < 0 else self._reader[index]
        self._missing = self._missing + 1 if frame is None else 0
        if index < 0 or self._missing > _MISSING:
            raise EOFError(f'the video has no frame {index}')
        return frame


def _is_defect(decode: type) -> bool:
    return 'while' in inspect.getsource(decode.transform)


def _counting(search: Callable) -> Callable:
    def transform(self, results: dict) -> dict:
        results['video_reader'] = _Frames(results['video_reader'])
        return search(self, results)

    return transform


def _patch(module: ModuleType) -> None:
    decode = module.OpenCVDecode
    if _is_defect(decode):
        replace_once(decode, 'transform', _counting, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'OpenCV and files cut off'
    if not installed('mmaction'):
        return Status(name, 'not needed', 'mmaction2 is not installed')
    from mmaction.datasets.transforms import OpenCVDecode

    if is_replaced(OpenCVDecode.transform, by=__name__):
        return Status(name, 'active', 'missing frames are an error')
    return Status(name, 'not needed', 'missing frames are an error upstream')
