"""Rates of schedules and hooks, where the optimizer gets another one.

Most schedulers multiply the rate that an optimizer has. What some are given
besides is a rate itself, and of the host's optimizer: it would be the peak,
or the end, of ours.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from mmuniformer.nodes import type_name

# Arguments of schedulers that are values, and no factors.
VALUES = (
    'eta_min',
    'eta_max',
    'min_value',
    'base_lr',
    'max_lr',
    'min_lr',
    'final_lr',
    'target_lr',
)
# They rise to a peak of their own, whatever the optimizer begins with.
PEAKS = {'OneCycle': 'eta_max', 'Cyclic': 'max_lr'}
# Hooks that set the rate of some parameters.
HOOKS = ('SimSiamHook',)
WARM_UP = dict(
    type='mmuniformer.LinearWarmupLR',
    start_factor=0.001,
    by_epoch=False,
    end=500,
)


def fit_schedule(cfg: Config, old: dict, new: dict) -> list[str]:
    """Has a schedule end and peak in proportion to another optimizer.

    Args:
        cfg (Config): Changed in place.
        old (dict): The host's optimizer.
        new (dict): The one in its place.

    Returns:
        list[str]: What was done, in lines.
    """
    given = cfg.get('param_scheduler') or []
    schedulers = [given] if isinstance(given, dict) else list(given)
    notes = []
    factors = {}
    for name in ('lr', 'weight_decay'):
        before = old.get(name)
        if name == 'lr':
            before = next(_peaks(schedulers), before)
        if _is_number(before) and before > 0:
            factors[name] = new[name] / before
    for index, node in enumerate(schedulers):
        place = f'param_scheduler[{index}] ({type_name(node)})'
        factor = factors.get(parameter_of(node))
        notes += _scale(node, place, VALUES, factor)
    for index, node in enumerate(cfg.get('custom_hooks') or []):
        place = f'custom_hooks[{index}] ({type_name(node)})'
        if type_name(node) in HOOKS:
            notes += _scale(node, place, ('lr',), factors.get('lr'))
        elif isinstance(node, dict):
            notes += [
                f"{place}.{key}: stays; scale it if it is the optimizer's"
                for key in ('lr', *VALUES)
                if _is_number(node.get(key)) and node[key]
            ]
    if not any(is_warm_up(node) for node in schedulers):
        cfg.param_scheduler = [ConfigDict(WARM_UP), *schedulers]
        notes.append('param_scheduler: a warm-up over 500 iterations')
    return notes


def _peaks(schedulers: list[dict]) -> Iterator[float]:
    for node in schedulers:
        for kind, key in PEAKS.items():
            peak = type_name(node).startswith(kind) and node.get(key)
            if parameter_of(node) == 'lr' and _is_number(peak):
                yield peak


def _scale(
    node: dict, place: str, keys: tuple[str, ...], factor: float | None
) -> Iterator[str]:
    for key in keys:
        value = node.get(key)
        if _is_number(value) and value:
            if factor is None:
                # Momentum, or a rate that the host does not say.
                continue
            node[key] = float(f'{value * factor:.2g}')
            yield (
                f'{place}.{key}: {node[key]:g} instead of {value:g}, in '
                "proportion to the optimizer's"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameter_of(node: dict) -> str:
    """Which parameter of an optimizer a scheduler sets."""
    kind = type_name(node)
    if kind.endswith('Momentum'):
        return 'momentum'
    if kind.endswith('WeightDecay'):
        return 'weight_decay'
    return node.get('param_name', 'lr')


def is_warm_up(node: dict) -> bool:
    """Whether a scheduler raises the learning rate from the start."""
    kind = type_name(node)
    if node.get('begin', 0) != 0 or parameter_of(node) != 'lr':
        return False
    if kind.startswith('Constant'):
        return node.get('factor', 1 / 3) < 1
    if kind.startswith('Linear') and 'Warmup' not in kind:
        return node.get('start_factor', 1 / 3) < node.get('end_factor', 1)
    return 'Warmup' in kind or kind.startswith(tuple(PEAKS))
