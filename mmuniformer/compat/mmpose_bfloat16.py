"""mmpose's decoding of heatmaps of bfloat16.

Defect: its ``to_numpy`` asks a tensor of bfloat16 for an array, and numpy has
no such type (``Got unsupported ScalarType BFloat16``). Every head of it ends
so within ``torch.autocast`` of bfloat16.
Applies to: mmpose 1.3.2.
Upstream: https://github.com/open-mmlab/mmpose (no issue found)
Gone when: mmpose converts to float first. Other types are passed on as they
are.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmpose.utils.tensor_utils'


def _with_float(convert: Callable) -> Callable:
    import torch

    def to_numpy(x, *args, **kwargs):
        if isinstance(x, torch.Tensor) and x.dtype == torch.bfloat16:
            x = x.float()
        return convert(x, *args, **kwargs)

    return to_numpy


def _patch(module: ModuleType) -> None:
    replace_once(module, 'to_numpy', _with_float, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmpose in bfloat16'
    if not installed('mmpose'):
        return Status(name, 'not needed', 'mmpose is not installed')
    from mmpose.utils import tensor_utils

    if is_replaced(tensor_utils.to_numpy, by=__name__):
        return Status(name, 'active', 'heatmaps are decoded in float32')
    return Status(name, 'broken', 'heatmaps of bfloat16 are not decoded')
