"""Runs of the published recipes, without training: rates, samples, decay."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from experiments import CONFIGS, RECIPES, SCOPES, alike, config, task_of
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from test_image_classification import official_rate
from test_schedules import is_decayed, kind, schedule, scheduled, warmed

from mmuniformer.datasets.published_sizes import published_size

TITLES = {
    'image_classification': 'Image classification',
    'object_detection': 'Detection',
    'semantic_segmentation': 'Semantic segmentation',
    'pose_estimation': 'Human pose',
    'video_classification': 'Video recognition',
}
# Schedules of video are functions of the share of an epoch that is done.
STEPS = 20
# Of a warm-up of iterations: an epoch is at least this long in all recipes.
EPOCH = 1000


@dataclass
class Curve:
    """Rates of a schedule that several experiments have.

    Args:
        task (str): First part of their ids.
        experiments (list[str]): Their ids.
        at (list[float]): Part of the run that is done.
        found (list[float]): By the built schedules.
        expected (list[float]): By the official formula.
    """

    task: str
    experiments: list[str]
    at: list[float]
    found: list[float]
    expected: list[float]

    @property
    def furthest(self) -> float:
        """Largest relative difference."""
        pairs = zip(self.found, self.expected, strict=True)
        return max(abs(a - b) / b if b else abs(a) for a, b in pairs)


def curves() -> list[Curve]:
    """Of all experiments; those with the same schedule share one."""
    found = []
    for param in alike([*CONFIGS], schedule):
        _, same = param.values
        at, rates, expected = zip(*_points(same[0]), strict=True)
        found.append(
            Curve(task_of(same[0]), same, [*at], [*rates], [*expected])
        )
    return found


def _points(experiment: str) -> Iterator[tuple[float, float, float]]:
    task = task_of(experiment)
    return {
        'image_classification': _by_epoch,
        'object_detection': _steps,
        'pose_estimation': _steps,
        'semantic_segmentation': _by_iteration,
        'video_classification': _by_share,
    }[task](experiment, RECIPES[experiment]['schedule'])


def _built(experiment: str, length: int) -> tuple:
    """A function for the rate now, and the schedules."""
    optimizer, schedules = scheduled(experiment, length)
    return lambda: optimizer.param_groups[0]['lr'], schedules


def _walk(
    experiment: str, length: int, total: int, formula: Callable[[int], float]
) -> Iterator[tuple[float, float, float]]:
    """Every step of schedules that all step together."""
    rate, schedules = _built(experiment, length)
    for step in range(total):
        yield step / total, rate(), formula(step)
        for each in schedules:
            each.step()


def _by_epoch(experiment: str, values: dict) -> Iterator:
    rate = RECIPES[experiment]['optimizer']['lr']
    return _walk(
        experiment,
        1,
        values['epochs'],
        lambda epoch: official_rate(values, rate, epoch),
    )


def _by_iteration(experiment: str, values: dict) -> Iterator:
    rate, total = RECIPES[experiment]['optimizer']['lr'], values['iters']

    def formula(iteration: int) -> float:
        progress = iteration / total
        if values['policy'] == 'PolyLR':
            low = values['min_lr']
            share = (1 - progress) ** values['power']
        else:
            low = rate * values['min_lr_ratio']
            share = (1 + math.cos(math.pi * progress)) / 2
        expected = low + (rate - low) * share
        if iteration < values['warmup_iters']:
            expected *= warmed(
                iteration, values['warmup_iters'], values['warmup_ratio']
            )
        return expected

    return _walk(experiment, EPOCH, total, formula)


def _by_share(experiment: str, values: dict) -> Iterator:
    rate, low = RECIPES[experiment]['optimizer']['lr'], values['end_lr']
    warmup, epochs = values['warmup_epochs'], values['epochs']

    def formula(step: int) -> float:
        epoch = step / STEPS
        if epoch < warmup:
            start = values['warmup_start_lr']
            return start + (rate - start) * epoch / warmup
        progress = (epoch - warmup) / (epochs - warmup)
        share = (1 + math.cos(math.pi * progress)) / 2
        return low + (rate - low) * share

    return _walk(experiment, STEPS, epochs * STEPS, formula)


def _steps(experiment: str, values: dict) -> Iterator:
    """Each iteration of the warm-up, which ends in an epoch, then epochs."""
    lr, epochs = RECIPES[experiment]['optimizer']['lr'], values['epochs']
    rate, schedules = _built(experiment, EPOCH)
    length = values['warmup_iters']
    for iteration in range(length + 1):
        factor = warmed(iteration, length, values['warmup_ratio'])
        yield iteration / EPOCH / epochs, rate(), lr * factor
        for each in schedules:
            if not each.by_epoch:
                each.step()
    for epoch in range(epochs):
        done = sum(epoch >= step for step in values['milestones'])
        if epoch:
            yield epoch / epochs, rate(), lr * values['gamma'] ** done
        for each in schedules:
            if each.by_epoch:
                each.step()


def weight_decay(experiment: str) -> float:
    """The same from the first iteration to the last."""
    assert not any(
        'weight_decay' in str(node.get('param_name', node['type']))
        for node in config(experiment).param_scheduler
    )
    return config(experiment).optim_wrapper.optimizer.weight_decay


def drop_path(experiment: str) -> tuple[int, float]:
    """Number of blocks, and the probability of the last one."""
    depths = RECIPES[experiment]['backbone']['depth']
    return sum(depths), config(experiment).model.backbone.get(
        'drop_path_rate', 0.0
    )


def samples(experiment: str) -> tuple[int, int | None]:
    """Batch of all GPUs, and samples that they draw in an epoch together.

    Endless samplers have no epoch: the samples of the whole run.
    """
    cfg = config(experiment)
    loader = cfg.train_dataloader
    total = RECIPES[experiment]['batch']['total']
    if loader.sampler.type == 'InfiniteSampler':
        return total, total * cfg.train_cfg.max_iters
    dataset = loader.dataset
    size = published_size(dataset['type'].rpartition('.')[2], dataset)
    if size is None:
        return total, None
    gpus = total // loader.batch_size
    # Samplers fill up: each GPU has as many. So does that of repeated
    # augmentation, which draws as many as there are images.
    each = math.ceil(size / gpus)
    if loader.get('drop_last', False):
        each -= each % loader.batch_size
    return total, each * gpus


@dataclass
class DecayGroup:
    """Experiments with the same names of parameters.

    Args:
        experiments (list[str]): Their ids.
        without (int): Parameters of the first that are not decayed.
        total (int): All parameters of the first.
        names (list[str]): Last parts of the names of the first ones.
    """

    experiments: list[str]
    without: int
    total: int
    names: list[str]


def decay_groups() -> list[DecayGroup]:
    """What is not decayed, of each kind of model and optimizer.

    Raises:
        ValueError: If it is not what the official rule says.
    """
    found = []
    for param in alike([*CONFIGS], kind):
        _, same = param.values
        decays, model = _decays(same[0])
        without = []
        for name, parameter in model.named_parameters():
            decayed = decays[id(parameter)] > 0
            if decayed != is_decayed(same[0], name, parameter):
                raise ValueError(f'{same[0]}: {name} is decayed: {decayed}')
            if not decayed:
                without.append(name)
        names = {re.sub(r'^.*?(\w+\.)?(\w+)$', r'\1\2', n) for n in without}
        names = {re.sub(r'\b\d+\b', 'N', name) for name in names}
        total = sum(1 for _ in model.parameters())
        found.append(DecayGroup([*same], len(without), total, sorted(names)))
    return _together(found)


def _together(groups: list[DecayGroup]) -> list[DecayGroup]:
    """Groups with the same names and numbers as one."""
    merged: dict[tuple, DecayGroup] = {}
    for group in groups:
        key = (group.without, group.total, *group.names)
        if key in merged:
            merged[key].experiments += group.experiments
        else:
            merged[key] = group
    return list(merged.values())


def _decays(experiment: str) -> tuple[dict[int, float], torch.nn.Module]:
    cfg = config(experiment)
    wrapper = cfg.optim_wrapper.copy()
    # The AMP wrapper refuses to start without an accelerator; the groups are
    # made by the constructor that both wrappers share.
    wrapper['type'] = 'OptimWrapper'
    wrapper.pop('loss_scale', None)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope(SCOPES[task_of(experiment)]),
    ):
        model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, wrapper).optimizer
    return {
        id(parameter): group['weight_decay']
        for group in optimizer.param_groups
        for parameter in group['params']
    }, model
