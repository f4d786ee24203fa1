"""mmseg's cross entropy with weights of classes and pixels to ignore.

Defect: averaging over the weights, ``cross_entropy`` looks up the weight of
every label, also of ``ignore_index``: ``index 255 is out of bounds for
dimension 0 with size 19``, on a GPU an assertion in the kernel. CGNet and
other configs with ``class_weight`` end with the first padded image.
Applies to: mmsegmentation 1.2.2.
Upstream: https://github.com/open-mmlab/mmsegmentation (no issue found)
Gone when: ignored pixels have no weight, as in torch. Labels without them are
left to mmseg.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmseg.models.losses.cross_entropy_loss'
_FUNCTION = 'cross_entropy'


def _is_defect(cross_entropy: Callable) -> bool:
    import torch

    try:
        cross_entropy(
            torch.zeros(1, 2, 1, 1),
            torch.full((1, 1, 1), 255),
            class_weight=torch.ones(2),
            ignore_index=255,
        )
    except (IndexError, RuntimeError):
        return True
    return False


def _ignoring(cross_entropy: Callable) -> Callable:
    def with_weights(
        pred,
        label,
        weight=None,
        class_weight=None,
        reduction='mean',
        avg_factor=None,
        ignore_index=-100,
        avg_non_ignore=False,
    ):
        averages = reduction == 'mean' and avg_factor is None
        if averages and class_weight is not None:
            ignored = label == ignore_index
            if ignored.any():
                weights = class_weight[label.masked_fill(ignored, 0)]
                avg_factor = weights[~ignored].sum()
        return cross_entropy(
            pred,
            label,
            weight,
            class_weight,
            reduction,
            avg_factor,
            ignore_index,
            avg_non_ignore,
        )

    return with_weights


def _patch(module: ModuleType) -> None:
    if _is_defect(getattr(module, _FUNCTION)):
        replace_once(module, _FUNCTION, _ignoring, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmseg weighs classes'
    if not installed('mmseg'):
        return Status(name, 'not needed', 'mmseg is not installed')
    from mmseg.models.losses import cross_entropy_loss as losses

    if is_replaced(getattr(losses, _FUNCTION), by=__name__):
        return Status(name, 'active', 'ignored pixels have no weight')
    return Status(name, 'not needed', 'ignored pixels have no weight')
