"""Schedules of the learning rate."""

from typing import Any

from mmengine.optim import LinearLR, PolyLR

from mmuniformer.registry import PARAM_SCHEDULERS


class WholeStretch:
    """Before a schedule of mmengine in the list of base classes.

    ``LinearLR`` and ``PolyLR`` have their last value one step before their
    ``end``; the official training scripts have it at that step.

    Args:
        args (Any): Those of the schedule.
        begin (int): First step.
        end (int): First step with the last value.
        kwargs (Any): Those of the schedule.
    """

    def __init__(
        self, *args: Any, begin: int = 0, end: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, begin=begin, end=end + 1, **kwargs)


@PARAM_SCHEDULERS.register_module()
class LinearWarmupLR(WholeStretch, LinearLR):
    """A linear warm-up that reaches the whole rate at step ``end``.

    The factor of step ``i`` is
    ``start_factor + (1 - start_factor) * i / end``.
    """


@PARAM_SCHEDULERS.register_module()
class PolyDecayLR(WholeStretch, PolyLR):
    """A polynomial decay that reaches ``eta_min`` at step ``end``.

    The factor of step ``i`` is ``(1 - i / end) ** power``, for an ``eta_min``
    of 0.
    """
