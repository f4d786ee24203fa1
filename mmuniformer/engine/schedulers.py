"""Schedules of the learning rate."""

import math
from typing import Any

from mmengine.optim import LinearLR, PolyLR, _ParamScheduler
from mmengine.optim.scheduler.param_scheduler import INF

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


@PARAM_SCHEDULERS.register_module()
class EpochCosineLR(_ParamScheduler):
    """timm's cosine schedule: one rate an epoch, absolute ends, cool-down.

    Epoch ``e`` runs at step ``t = max(0, e - lag)``: linear from
    ``warmup_lr`` until ``warmup_epochs``, then on a cosine that is counted
    from epoch 0, and at ``eta_min`` from ``epochs`` on.

    Args:
        optimizer (OptimWrapper): Whose learning rates these are.
        epochs (int): First step at ``eta_min``; a training may go on.
        eta_min (float): Rate of that step and those after it.
        warmup_epochs (int): First step on the cosine.
        warmup_lr (float): Rate of step 0, where there is a warm-up.
        lag (int): Number of epochs by which the rate is late: 1 in the
            official trainings without token labeling, whose scheduler steps
            after an epoch with the number of that epoch.
        end (int): Epochs after this one keep the last rate; mmengine sets the
            number that is trained.
        last_step (int): As in mmengine's schedules.
        verbose (bool): As in mmengine's schedules.
        by_epoch (bool): True; a step is an epoch.

    Raises:
        ValueError: If ``by_epoch`` is False, or the warm-up is not shorter
            than ``epochs``.
    """

    def __init__(
        self,
        optimizer: Any,
        epochs: int,
        eta_min: float,
        warmup_epochs: int = 0,
        warmup_lr: float = 0.0,
        lag: int = 0,
        end: int = INF,
        last_step: int = -1,
        verbose: bool = False,
        by_epoch: bool = True,
    ) -> None:
        if not by_epoch:
            raise ValueError(
                'EpochCosineLR has a rate for each epoch: '
                'by_epoch must be True'
            )
        if not 0 <= warmup_epochs < epochs:
            raise ValueError(
                f'warmup_epochs must be less than epochs ({epochs}), but it '
                f'is {warmup_epochs}'
            )
        self.epochs = epochs
        self.eta_min = eta_min
        self.warmup_epochs = warmup_epochs
        self.warmup_lr = warmup_lr
        self.lag = lag
        super().__init__(
            optimizer, 'lr', end=end, last_step=last_step, verbose=verbose
        )

    def _get_value(self) -> list[float]:
        step = max(0, self.last_step - self.lag)
        return [self._at(step, base) for base in self.base_values]

    def _at(self, step: int, base: float) -> float:
        if step < self.warmup_epochs:
            share = step / self.warmup_epochs
            return self.warmup_lr + share * (base - self.warmup_lr)
        if step >= self.epochs:
            return self.eta_min
        share = (1 + math.cos(math.pi * step / self.epochs)) / 2
        return self.eta_min + share * (base - self.eta_min)
