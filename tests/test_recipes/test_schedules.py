"""Learning rates over a whole run, what is decayed, how classifiers start."""

import math

import pytest
import torch
from experiments import (
    CLASSIFICATION,
    CONFIGS,
    DETECTION,
    POSE,
    RECIPES,
    SCOPES,
    SEGMENTATION,
    VIDEO,
    alike,
    config,
    task_of,
)
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope

# Schedules of video are functions of the share of an epoch that is done.
LENGTH = 100


def schedule(experiment: str) -> list:
    cfg = config(experiment)
    return [cfg.param_scheduler, cfg.optim_wrapper.optimizer.lr, cfg.train_cfg]


def scheduled(experiment: str, length: int) -> tuple:
    """An optimizer, and its schedules."""
    cfg = config(experiment)
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], lr=cfg.optim_wrapper.optimizer.lr
    )
    with DefaultScope.overwrite_default_scope(SCOPES[task_of(experiment)]):
        schedules = [
            PARAM_SCHEDULERS.build(
                dict(node, optimizer=optimizer, epoch_length=length)
            )
            for node in cfg.param_scheduler
        ]
    optimizer.step()
    return optimizer, schedules


def built(experiment: str, length: int) -> tuple:
    """An optimizer, and its schedules by iteration and by epoch."""
    optimizer, schedules = scheduled(experiment, length)
    by_iteration = [s for s in schedules if not s.by_epoch]
    return optimizer, by_iteration, [s for s in schedules if s.by_epoch]


def warmed(iteration: float, length: float, ratio: float) -> float:
    """The factor of a warm-up: from a ratio, on a line, to 1."""
    return ratio + (1 - ratio) * min(iteration / length, 1)


def is_rate(optimizer: torch.optim.Optimizer, expected: float) -> bool:
    rate = optimizer.param_groups[0]['lr']
    return math.isclose(rate, expected, rel_tol=1e-6, abs_tol=1e-14)


@pytest.mark.parametrize(('_', 'same'), alike([*DETECTION, *POSE], schedule))
def test_steps_after_a_warm_up(_, same):
    """Each iteration of the warm-up, then each epoch."""
    values, rate = (RECIPES[same[0]][key] for key in ('schedule', 'optimizer'))
    rate, length = rate['lr'], values['warmup_iters']
    optimizer, by_iteration, by_epoch = built(same[0], 1000)
    for iteration in range(length + 10):
        factor = warmed(iteration, length, values['warmup_ratio'])
        assert is_rate(optimizer, rate * factor), iteration
        for scheduler in by_iteration:
            scheduler.step()
    (warmup,) = by_iteration
    # No step of it does anything any more.
    assert warmup.end <= length + 10
    for epoch in range(values['epochs']):
        done = sum(epoch >= step for step in values['milestones'])
        assert is_rate(optimizer, rate * values['gamma'] ** done), epoch
        for scheduler in by_epoch:
            scheduler.step()


@pytest.mark.parametrize(('_', 'same'), alike(SEGMENTATION, schedule))
def test_decay_from_the_first_iteration(_, same):
    """Each of all iterations: the warm-up multiplies what decays."""
    values = RECIPES[same[0]]['schedule']
    rate, total = RECIPES[same[0]]['optimizer']['lr'], values['iters']
    assert config(same[0]).train_cfg.max_iters == total
    optimizer, schedules, by_epoch = built(same[0], 1000)
    assert by_epoch == []
    for iteration in range(total):
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
        assert is_rate(optimizer, expected), iteration
        for scheduler in schedules:
            scheduler.step()


@pytest.mark.parametrize(('_', 'same'), alike(VIDEO, schedule))
def test_half_a_wave_after_a_warm_up(_, same):
    """By iteration: a line up from the start's rate, half a wave down."""
    values = RECIPES[same[0]]['schedule']
    rate, low = RECIPES[same[0]]['optimizer']['lr'], values['end_lr']
    warmup, epochs = values['warmup_epochs'], values['epochs']
    assert config(same[0]).train_cfg.max_epochs == epochs
    optimizer, schedules, by_epoch = built(same[0], LENGTH)
    assert by_epoch == []
    for iteration in range(epochs * LENGTH):
        epoch = iteration / LENGTH
        if epoch < warmup:
            start = values['warmup_start_lr']
            expected = start + (rate - start) * epoch / warmup
        else:
            progress = (epoch - warmup) / (epochs - warmup)
            share = (1 + math.cos(math.pi * progress)) / 2
            expected = low + (rate - low) * share
        assert is_rate(optimizer, expected), iteration
        for scheduler in schedules:
            scheduler.step()


def is_decayed(experiment: str, name: str, parameter) -> bool:
    """The official rule of each task."""
    if experiment in (*VIDEO, *CLASSIFICATION):
        # No other name of a token is in the models of one task.
        kept = RECIPES[experiment]['optimizer'].get('no_decay_names', ())
        return parameter.ndim > 1 and not name.endswith(('.bias', *kept))
    if experiment in POSE or 'fpn_seg' in experiment:
        return True
    # 'norm' is a part of the name. Other keys of the rule match nothing.
    keys = RECIPES[experiment]['optimizer']['no_decay_keys']
    return not any(key in name for key in keys)


def kind(experiment: str) -> list:
    """What decides about names and groups, whatever the size."""
    cfg = config(experiment)
    model = cfg.model
    heads = [
        model.get(key, {}).get('type')
        for key in (
            'type',
            'neck',
            'roi_head',
            'decode_head',
            'cls_head',
            'head',
        )
        if isinstance(model.get(key), dict)
    ]
    wrapper = {
        key: cfg.optim_wrapper.get(key)
        for key in ('paramwise_cfg', 'constructor')
    }
    layer_scale = model.backbone.get('layer_scale_init_value')
    weight_decay = cfg.optim_wrapper.optimizer.weight_decay
    if experiment in CLASSIFICATION:
        # Some have Layer Scale by their architecture.
        layer_scale = model.backbone.arch
    return [model.backbone.type, heads, wrapper, layer_scale, weight_decay]


@pytest.mark.parametrize(('_', 'same'), alike([*CONFIGS], kind))
def test_what_is_decayed(_, same):
    cfg = config(same[0])
    wrapper = cfg.optim_wrapper.copy()
    # The AMP wrapper refuses to start without an accelerator; the groups are
    # made by the constructor that both wrappers share.
    wrapper['type'] = 'OptimWrapper'
    wrapper.pop('loss_scale', None)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope(SCOPES[task_of(same[0])]),
    ):
        model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, wrapper).optimizer
    decays = {
        id(parameter): group['weight_decay']
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    expected = RECIPES[same[0]]['optimizer']['weight_decay']
    rates = {group['lr'] for group in optimizer.param_groups}
    assert rates == {RECIPES[same[0]]['optimizer']['lr']}
    kinds = set()
    for name, parameter in model.named_parameters():
        decayed = is_decayed(same[0], name, parameter)
        assert decays[id(parameter)] == (expected if decayed else 0.0), name
        kinds.add(decayed)
    everything = same[0] in POSE or 'fpn_seg' in same[0]
    assert kinds == ({True} if everything else {True, False})


@pytest.mark.parametrize(
    ('node', 'same'), alike(VIDEO, lambda e: config(e).model.cls_head)
)
def test_classifiers_start_as_linear_layers(node, same):
    """Those of the light models' score token, too."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(SCOPES[task_of(same[0])]):
        head = MODELS.build(node)
    head.init_weights()
    layers = [m for m in head.modules() if isinstance(m, torch.nn.Linear)]
    assert len(layers) == (2 if 'exp_light' in same[0] else 1)
    for layer in layers:
        assert (layer.bias == 0).all()
        error = 4 * 0.02 / (2 * layer.weight.numel()) ** 0.5
        assert abs(layer.weight.std().item() - 0.02) < error
