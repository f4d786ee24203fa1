"""Rates of schedules and hooks, where the optimizer gets another one."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from mmuniformer.apis.swapping import read_host
from mmuniformer.dropin.optimizer import fit_optimizer
from mmuniformer.dropin.schedule import is_warm_up

SGD = dict(type='SGD', lr=0.01)


def config(schedule: list, **keys) -> Config:
    return Config(
        dict(
            default_scope='mmdet',
            optim_wrapper=dict(optimizer=SGD),
            param_scheduler=schedule,
            auto_scale_lr=dict(base_batch_size=16),
            **keys,
        )
    )


def rates(cfg: Config, steps: int) -> list[float]:
    """Of each step, by the schedulers themselves."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    lr = cfg.optim_wrapper.optimizer.lr
    optimizer = torch.optim.SGD([parameter], lr=lr)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(node, optimizer=optimizer))
        for node in cfg.param_scheduler
    ]
    told = []
    for _ in range(steps):
        told.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return told


def test_a_schedule_ends_in_proportion():
    poly = dict(type='PolyLR', eta_min=1e-4, power=0.9, end=2000)
    cfg = config([dict(poly, by_epoch=False)])
    notes = fit_optimizer(cfg)
    assert '1e-06 instead of 0.0001' in notes[1]
    told = rates(cfg, 2000)
    assert max(told) == pytest.approx(1e-4, rel=0.3)
    assert told[-1] == pytest.approx(1e-6, rel=0.2)


def test_a_cycle_peaks_at_our_rate_and_warms_up_by_itself():
    cycle = dict(
        type='OneCycleLR', eta_max=0.02, total_steps=600, by_epoch=False
    )
    cfg = config([cycle])
    fit_optimizer(cfg)
    (node,) = cfg.param_scheduler
    assert node == dict(cycle, eta_max=1e-4)
    told = rates(cfg, 600)
    assert max(told) == pytest.approx(1e-4)
    assert told[0] == pytest.approx(1e-4 / 25)


@pytest.mark.parametrize(
    ('node', 'wanted'),
    [
        (dict(type='ReduceOnPlateauLR', min_value=1e-3), 1e-5),
        (dict(type='CosineRestartLR', eta_min=1e-3), 1e-5),
        (dict(type='CosineAnnealingParamScheduler', param_name='lr',
              eta_min=1e-3), 1e-5),
        (dict(type='mine.CyclicLR', min_lr=5e-3, max_lr=0.05), 1e-5),
        # No rate, and a proportion.
        (dict(type='CosineAnnealingMomentum', eta_min=0.85), 0.85),
        (dict(type='PolyLRRatio', eta_min_ratio=0.01), 0.01),
    ],
)  # fmt: skip
def test_values_of_other_schedulers(node, wanted):
    cfg = config([node])
    fit_optimizer(cfg)
    told = cfg.param_scheduler[-1]
    key = next(key for key in node if 'min' in key)
    assert told[key] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ('node', 'wanted'),
    [
        (dict(type='LinearLR', start_factor=0.1, end=5), True),
        (dict(type='LinearLR', start_factor=1, end_factor=0.1), False),
        (dict(type='LinearLR', start_factor=0.1, begin=5, end=9), False),
        (dict(type='ConstantLR', factor=0.1), True),
        (dict(type='ConstantLR', factor=1), False),
        (dict(type='mmdet.QuadraticWarmupLR', end=5), True),
        (dict(type='LinearMomentum', start_factor=0.1), False),
        (dict(type='OneCycleLR', eta_max=1), True),
        (dict(type='MultiStepLR'), False),
    ],
)
def test_what_rises_from_the_start(node, wanted):
    assert is_warm_up(node) is wanted


def test_a_hook_that_sets_a_rate_sets_ours():
    hook = dict(type='SimSiamHook', fix_pred_lr=True, lr=0.01)
    other = dict(type='MyHook', lr=0.5)
    cfg = config([], custom_hooks=[hook, other])
    notes = fit_optimizer(cfg)
    assert cfg.custom_hooks[0].lr == 1e-4
    assert cfg.custom_hooks[1] == other
    assert any('MyHook' in note and 'stays' in note for note in notes)


@pytest.mark.parametrize(
    'name',
    [
        'mmseg::pspnet/pspnet_r50-d8_4xb4-160k_ade20k-512x512.py',
        'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
        'mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py',
    ],
)
def test_installed_schedules_fall_as_before(name):
    cfg, _ = read_host(name)
    before = _ends(cfg)
    fit_optimizer(cfg)
    assert _ends(cfg) == pytest.approx(before, rel=0.05)
    if 'simsiam' in name:
        lr = cfg.optim_wrapper.optimizer.lr
        assert cfg.custom_hooks[0].lr == lr
        keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
        assert keys.predictor == dict(fix_lr=True)


def _ends(cfg: Config) -> list[float]:
    """What schedulers end with, as shares of the rate."""
    lr = cfg.optim_wrapper.optimizer.lr
    return [
        node.eta_min / lr for node in cfg.param_scheduler if 'eta_min' in node
    ]
