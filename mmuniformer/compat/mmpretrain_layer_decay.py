"""mmpretrain's learning rates by layer, without a weight decay.

Defect: its constructor lists the groups with their ``weight_decay``, which
they only have where the config gives one: ``KeyError: 'weight_decay'``.
Applies to: mmpretrain 1.2.0.
Upstream: https://github.com/open-mmlab/mmpretrain (no issue found)
Gone when: a group without it is listed. The value that is filled in is the
default of the optimizer: what is trained is the same.
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

_MODULE = 'mmpretrain.engine.optimizers.layer_decay_optim_wrapper_constructor'


def _default(kind: Any) -> float:
    """Weight decay of an optimizer that is given none."""
    if isinstance(kind, str):
        from mmengine.registry import OPTIMIZERS

        kind = OPTIMIZERS.get(kind)
    parameter = inspect.signature(kind).parameters.get('weight_decay')
    return 0.0 if parameter is None else parameter.default


def _is_defect(constructor: type) -> bool:
    return 'param["weight_decay"]' in inspect.getsource(constructor.add_params)


def _with_default(add_params: Callable) -> Callable:
    def add(self, params, module, *args, **kwargs):
        if self.base_wd is None:
            self.base_wd = _default(self.optimizer_cfg['type'])
        return add_params(self, params, module, *args, **kwargs)

    return add


def _patch(module: ModuleType) -> None:
    constructor = module.LearningRateDecayOptimWrapperConstructor
    if _is_defect(constructor):
        replace_once(constructor, 'add_params', _with_default, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = "mmpretrain's layer decay"
    if not installed('mmpretrain'):
        return Status(name, 'not needed', 'mmpretrain is not installed')
    from mmpretrain.engine import (
        LearningRateDecayOptimWrapperConstructor as Constructor,
    )

    if is_replaced(Constructor.add_params, by=__name__):
        return Status(name, 'active', 'works without a weight decay')
    return Status(name, 'not needed', 'it works without a weight decay')
