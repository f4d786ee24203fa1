"""Backbones of other libraries in mmaction2's two-dimensional recognizers.

Defect: ``Recognizer2D`` takes the map out of a backbone's tuple for types that
begin with ``mmpretrain.`` alone, ``RecognizerAudio`` never; the heads (TSN,
TSM, TRN, ...) get the tuple of any other library's: ``'tuple' object has no
attribute ...``. Testing by
full convolution asks the backbone for ``num_segments`` even where
``test_cfg`` says it.
Applies to: mmaction2 1.2.0.
Upstream: https://github.com/open-mmlab/mmaction2 (no issue found)
Gone when: the head gets a tensor. mmaction2's own backbones and those of
mmpretrain are left alone, and so are maps for a neck, which reads a tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULES = {
    'mmaction.models.recognizers.recognizer2d': 'Recognizer2D',
    'mmaction.models.recognizers.recognizer_audio': 'RecognizerAudio',
}


def _last_map(backbone: Any, inputs: tuple, outputs: Any) -> Any:
    """The map of the last level, as heads of images take it."""
    return outputs[-1] if isinstance(outputs, tuple) else outputs


def _of_another_library(recognizer: Any) -> bool:
    library = type(recognizer.backbone).__module__.partition('.')[0]
    return recognizer.backbone_from == 'mmaction2' and library != 'mmaction'


def _with_a_map(init: Callable) -> Callable:
    def __init__(self, *args, **kwargs):
        init(self, *args, **kwargs)
        if not _of_another_library(self):
            return
        segments = (self.test_cfg or {}).get('num_segs')
        if segments and not hasattr(self.backbone, 'num_segments'):
            self.backbone.num_segments = segments
        if not self.with_neck:
            self.backbone.register_forward_hook(_last_map)

    return __init__


def _patch(module: ModuleType) -> None:
    recognizer = getattr(module, _MODULES[module.__name__])
    replace_once(recognizer, '__init__', _with_a_map, by=__name__)


def apply() -> None:
    for module in _MODULES:
        after_import(module, _patch)


def status() -> Status:
    name = 'backbones in Recognizer2D'
    if not installed('mmaction'):
        return Status(name, 'not needed', 'mmaction2 is not installed')
    from mmaction.models import Recognizer2D

    if is_replaced(Recognizer2D.__init__, by=__name__):
        return Status(name, 'active', 'a head gets the last map of a tuple')
    return Status(name, 'not needed', 'a head gets a map')
