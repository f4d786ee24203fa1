"""Schedules of the learning rate."""

from typing import Any

from mmengine.optim import LinearLR

from mmuniformer.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class LinearWarmupLR(LinearLR):
    """A linear warm-up that reaches the whole rate at step ``end``.

    mmengine's ``LinearLR`` reaches it one step earlier, and the official
    training scripts at this one: after ``end`` steps the factor of step
    ``i`` is ``start_factor + (1 - start_factor) * i / end``.

    Args:
        args (Any): Those of ``LinearLR``.
        begin (int): First step.
        end (int): First step at the whole rate.
        kwargs (Any): Those of ``LinearLR``.
    """

    def __init__(
        self, *args: Any, begin: int = 0, end: int, **kwargs: Any
    ) -> None:
        # Exclusive in mmengine, which makes its last step that of the end.
        super().__init__(*args, begin=begin, end=end + 1, **kwargs)
