"""How long a training is, and its learning rate, for other data."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config

from mmuniformer.datasets.published_sizes import published_size
from mmuniformer.nodes import type_name, walk

# Steps of the optimizer below which a pre-trained model has hardly begun.
LEAST_STEPS = 1000
# The recipes of classification begin without weights; these are enough to
# go on from those of ImageNet.
CLASSIFIER_EPOCHS = 30
VALIDATIONS = 10
# Of the steps, at most this share is warm-up.
WARMUP = 0.1
IN_EPOCHS = ('begin', 'end', 'T_max', 'epochs', 'warmup_epochs')
# Rates that schedules have besides the optimizer's.
RATES = ('eta_min', 'warmup_lr')


@dataclass(frozen=True)
class Length:
    """Of a training.

    Attributes:
        by_epoch (bool): Whether ``amount`` is in epochs, or in iterations.
        amount (int): How long it is.
        recipe (int): How long the recipe is.
        epoch (int): Iterations of an epoch.
        reason (str): How it was found.
    """

    by_epoch: bool
    amount: int
    recipe: int
    epoch: int
    reason: str

    @property
    def steps(self) -> int:
        """Of the optimizer in all."""
        return self.amount * (self.epoch if self.by_epoch else 1)

    @property
    def interval(self) -> int:
        """Epochs or iterations from one validation to the next."""
        return max(1, self.amount // VALIDATIONS)


def base_batch(cfg: Config) -> int:
    """The batch that the learning rate of a recipe is for."""
    given = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    return given or cfg.train_dataloader.batch_size


def length_of(cfg: Config, samples: int, batch: int) -> Length:
    """How long a recipe trains on other data.

    It reads the data as often as the recipe does, unless that would be too
    few steps.

    Args:
        cfg (Config): The recipe.
        samples (int): Of training.
        batch (int): Of a step.
    """
    epoch = math.ceil(samples / batch)
    if cfg.train_dataloader.get('drop_last'):
        epoch = max(1, samples // batch)
    loop = cfg.train_cfg
    if 'max_iters' in loop:
        return _iterations(cfg, samples, batch, epoch)
    recipe = loop.max_epochs
    amount, why = recipe, 'as the recipe'
    if cfg.default_scope == 'mmpretrain' and recipe > CLASSIFIER_EPOCHS:
        amount = CLASSIFIER_EPOCHS
        why = f"in place of the recipe's {recipe} from no weights"
    if amount * epoch < LEAST_STEPS:
        amount = math.ceil(LEAST_STEPS / epoch)
        why = f"in place of the recipe's {recipe}, for {LEAST_STEPS} steps"
    return Length(
        True,
        amount,
        recipe,
        epoch,
        f'{amount} epochs of {samples} samples, {why}',
    )


def _iterations(cfg: Config, samples: int, batch: int, epoch: int) -> Length:
    recipe = cfg.train_cfg.max_iters
    node = cfg.train_dataloader.dataset
    public = published_size(type_name(node), node)
    amount = recipe
    why = 'as the recipe'
    if public is not None:
        passes = recipe * base_batch(cfg) / public
        amount = round(passes * samples / batch)
        amount = min(max(amount, LEAST_STEPS), recipe)
        why = (
            f"in place of the recipe's {recipe}, which read its "
            f'{public} samples {passes:.0f} times'
        )
    return Length(
        False,
        amount,
        recipe,
        epoch,
        f'{amount} iterations of {batch} of {samples} samples, {why}',
    )


def fitted_schedulers(
    schedulers: Any, length: Length, factor: float
) -> list[dict]:
    """Schedules of a recipe for another length and learning rate.

    Args:
        schedulers (list or dict): Of the recipe.
        length (Length): Of the training.
        factor (float): What the learning rate is multiplied by.
    """
    given = [schedulers] if isinstance(schedulers, Mapping) else schedulers
    return [_fitted(deepcopy(dict(s)), length, factor) for s in given]


def _fitted(new: dict, length: Length, factor: float) -> dict:
    ratio = length.amount / length.recipe
    # mmengine's default.
    in_epochs = new.get('by_epoch', True)
    scales = in_epochs == length.by_epoch
    warmup = max(1, round(length.steps * WARMUP))
    for key in IN_EPOCHS:
        value = new.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        if in_epochs:
            new[key] = round(value * ratio) if value else 0
        elif value == length.recipe and not length.by_epoch:
            new[key] = length.amount
        else:
            new[key] = min(value, warmup)
    if scales and 'milestones' in new:
        new['milestones'] = [
            max(1, round(m * ratio)) for m in new['milestones']
        ]
    if new.get('begin', 0) >= new.get('end', math.inf):
        new['end'] = new['begin'] + 1
    for key in RATES:
        if new.get(key):
            new[key] = rounded(new[key] * factor)
    return new


def rounded(rate: float) -> float:
    """Three digits of a learning rate."""
    return float(f'{rate:.3g}')


def rates_of(cfg: Config) -> list[str]:
    """Places of the learning rates of the optimizer."""
    return [
        path
        for path, node in walk(cfg.optim_wrapper)
        if 'lr' in node and 'type' in node
    ]
