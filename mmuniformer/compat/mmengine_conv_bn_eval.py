"""``efficient_conv_bn_eval`` in models that torch.fx cannot trace.

Defect: mmengine traces the whole module that it is given, and ends the run
where ``forward`` asks for a size (``symbolically traced variables cannot be
used as inputs to control flow``) or where a BatchNorm does not follow a layer
(``KeyError``).
Applies to: mmengine 0.8 to 0.10.7.
Upstream: https://github.com/open-mmlab/mmengine (no issue found)
Gone when: the module is traced. Otherwise its sequences of layers are traced
one by one: a pair of a convolution and its BatchNorm stands in one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmengine.model.efficient_conv_bn_eval'
_FUNCTION = 'turn_on_efficient_conv_bn_eval_for_single_model'


def _in_parts(turn_on: Callable) -> Callable:
    def turn_on_in_parts(model: Any) -> None:
        from torch import fx, nn

        try:
            turn_on(model)
        except (fx.proxy.TraceError, KeyError, AttributeError, TypeError):
            for part in model.modules():
                if isinstance(part, nn.Sequential) and part is not model:
                    _turn_on_if_traced(turn_on, part)

    return turn_on_in_parts


def _turn_on_if_traced(turn_on: Callable, part: Any) -> None:
    from torch import fx

    try:
        turn_on(part)
    except (fx.proxy.TraceError, KeyError, AttributeError, TypeError):
        # Its own sequences are parts of the model as well.
        return


def _patch(module: ModuleType) -> None:
    replace_once(module, _FUNCTION, _in_parts, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'efficient_conv_bn_eval'
    if not installed('mmengine'):
        return Status(name, 'not needed', 'mmengine is not installed')
    from mmengine.model import efficient_conv_bn_eval as module

    if is_replaced(getattr(module, _FUNCTION), by=__name__):
        return Status(name, 'active', 'models are traced in parts')
    return Status(name, 'broken', 'models have to be traced as one')
