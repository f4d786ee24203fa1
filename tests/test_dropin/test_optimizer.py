"""The optimizer that goes with a backbone, and its rules for parameters."""

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmuniformer.apis.swapping import read_host
from mmuniformer.dropin.measuring import build
from mmuniformer.dropin.optimizer import Exchange, fit_optimizer

UNIFORMER = dict(type='mmuniformer.UniFormer', arch='small')
ARCH = dict(depths=(1, 1, 2, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
TINY = dict(UNIFORMER, arch=ARCH)


def config(**keys) -> Config:
    keys.setdefault('default_scope', 'mmdet')
    keys.setdefault('model', dict(backbone=dict(type='ResNet')))
    return Config(keys)


def fitted(name: str, ours: dict) -> tuple[dict, list[str]]:
    """The optimizer wrapper of an installed config, and what is said."""
    cfg, _ = read_host(name)
    exchange = Exchange('backbone', cfg.model.backbone, ours)
    notes = fit_optimizer(cfg, [exchange])
    return cfg.optim_wrapper, notes


SGD = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4)


def test_an_optimizer_for_resnets_becomes_the_published_one():
    step = dict(type='MultiStepLR', milestones=[8, 11])
    cfg = config(
        optim_wrapper=dict(
            type='AmpOptimWrapper',
            optimizer=SGD,
            clip_grad=dict(max_norm=35),
        ),
        param_scheduler=[step],
        auto_scale_lr=dict(base_batch_size=32),
    )
    (optimizer, warm_up) = fit_optimizer(cfg)
    wrapper = cfg.optim_wrapper
    # Twice as many images as in the published experiment.
    assert wrapper.optimizer.to_dict() == dict(
        type='AdamW', lr=2e-4, betas=(0.9, 0.999), weight_decay=0.05
    )
    assert wrapper.type == 'AmpOptimWrapper'
    assert wrapper.clip_grad == dict(max_norm=35)
    assert cfg.param_scheduler[1] == step
    assert cfg.param_scheduler[0].type == 'mmuniformer.LinearWarmupLR'
    assert 'SGD at 0.02' in optimizer
    assert '500 iterations' in warm_up


def test_a_layer_that_is_used_twice_is_one_parameter():
    cfg = config(optim_wrapper=dict(optimizer=SGD))
    fit_optimizer(cfg)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    # SwAV's loss has the last layer of its head.
    model.add_module('loss', nn.Sequential(model[0]))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = wrapper.optimizer.param_groups
    assert sum(len(group['params']) for group in groups) == 4


def test_a_warm_up_that_is_there_stays():
    schedule = [dict(type='LinearLR', begin=0, end=500), dict(type='PolyLR')]
    cfg = config(
        optim_wrapper=dict(optimizer=SGD), param_scheduler=list(schedule)
    )
    fit_optimizer(cfg)
    assert cfg.param_scheduler == schedule


def test_adamw_stays_without_keys_of_other_backbones():
    adamw = dict(type='AdamW', lr=1e-4)
    cfg = config(
        optim_wrapper=dict(
            optimizer=adamw,
            paramwise_cfg=dict(
                custom_keys=dict(
                    pos_embed=dict(decay_mult=0.0),
                    absolute_pos_embed=dict(decay_mult=0.0),
                )
            ),
        )
    )
    (told,) = fit_optimizer(cfg)
    assert 'pos_embed' in told
    assert cfg.optim_wrapper.optimizer == adamw
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert list(keys) == ['absolute_pos_embed']


def test_rules_for_parts_besides_the_backbone_stay():
    keys = dict(
        head=dict(lr_mult=10.0),
        backbone=dict(lr_mult=0.1),
        predictor=dict(fix_lr=True),
    )
    paramwise = dict(custom_keys=dict(keys), bias_decay_mult=0.0)
    cfg = config(
        optim_wrapper=dict(optimizer=SGD, paramwise_cfg=paramwise),
        auto_scale_lr=dict(base_batch_size=16),
    )
    (_, warm_up) = fit_optimizer(cfg)
    assert 'warm-up' in warm_up
    assert cfg.optim_wrapper.paramwise_cfg == dict(
        bias_decay_mult=0.0,
        custom_keys=dict(keys, norm=dict(decay_mult=0.0)),
        bypass_duplicate=True,
    )


def test_a_rate_that_is_not_scaled_is_said():
    cfg = config(default_scope='mmpretrain', optim_wrapper=dict(optimizer=SGD))
    told = fit_optimizer(cfg)[1]
    assert '0.001 is for 1024 images' in told
    assert cfg.optim_wrapper.optimizer.lr == 1e-3


def test_rules_of_lars_and_of_resnets_are_left_out():
    rule = dict(decay_mult=0, lr_mult=0.024, lars_exclude=True)
    keys = {'bias': dict(rule), 'bn': dict(rule), 'downsample.1': dict(rule)}
    cfg = config(
        optim_wrapper=dict(
            optimizer=dict(type='mmpretrain.LARS', lr=1.6),
            paramwise_cfg=dict(custom_keys=keys),
        )
    )
    resnet = dict(type='mmpretrain.ResNet', depth=18)
    notes = fit_optimizer(cfg, [Exchange('backbone', resnet, TINY)])
    free = dict(decay_mult=0)
    kept = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert kept.pop('norm')['decay_mult'] == 0
    assert kept == dict(bias=free, bn=free)
    assert any("'downsample.1' left out" in note for note in notes)
    assert any("'bias', 'bn'" in note and 'LARS' in note for note in notes)


def test_norms_of_another_backbone_stand_for_ours():
    swin = dict(
        type='mmdet.SwinTransformer', embed_dims=24, depths=(2, 2, 2, 2)
    )
    free = dict(lr_mult=0.1, decay_mult=0.0)
    keys = {
        'backbone': dict(lr_mult=0.1, decay_mult=1.0),
        'backbone.norm': free,
        'backbone.patch_embed.norm': free,
        'backbone.stages.2.blocks.1.norm2': free,
        'relative_position_bias_table': free,
        'query_embed': free,
    }
    wrapper = dict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
        paramwise_cfg=dict(custom_keys=dict(keys)),
    )
    cfg = config(optim_wrapper=wrapper)
    notes = fit_optimizer(cfg, [Exchange('backbone', swin, TINY)])
    assert any("'backbone.patch_embed.norm'" in note for note in notes)
    now = cfg.optim_wrapper.paramwise_cfg.custom_keys
    gone = {'backbone.patch_embed.norm', 'backbone.stages.2.blocks.1.norm2'}
    assert gone.isdisjoint(now)
    assert now['query_embed'] == free
    model = nn.Module()
    model.backbone = build(TINY)
    groups = build_optim_wrapper(
        model, cfg.optim_wrapper
    ).optimizer.param_groups
    names = {p: name for name, p in model.named_parameters()}
    for group in groups:
        name = names[group['params'][0]]
        decay = 0.0 if 'norm' in name else 0.05
        assert (group['lr'], group['weight_decay']) == (0.1, decay), name


def test_tsms_constructor_knows_no_layernorm():
    cfg = config(
        default_scope='mmaction',
        optim_wrapper=dict(
            constructor='TSMOptimWrapperConstructor',
            paramwise_cfg=dict(fc_lr5=True),
            optimizer=SGD,
        ),
    )
    notes = fit_optimizer(cfg)
    assert any('fc_lr5' in note for note in notes)
    assert 'constructor' not in cfg.optim_wrapper
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    assert keys['cls_head'] == dict(lr_mult=5.0)


DECAYING = [
    # Its rate and layers, and the share of the first one. Small has 18 blocks.
    (
        'mmdet::convnext/cascade-mask-rcnn_convnext-s-p4-w7_fpn_4conv1fc-giou_'
        'amp-ms-crop-3x_coco.py',
        'small',
        0.7**13,
    ),
    (
        'mmseg::convnext/convnext-tiny_upernet_8xb2-amp-160k_'
        'ade20k-512x512.py',
        'base',
        0.9**7,
    ),
    (
        'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
        'td-hm_ViTPose-small_8xb64-210e_coco-256x192.py',
        'small',
        0.8**13,
    ),
    (
        'mmaction::recognition/mvit/mvit-small-p244_k400-maskfeat-pre_'
        '8xb32-16x4x1-100e_kinetics400-rgb.py',
        'small',
        0.75**17,
    ),
]


@pytest.mark.parametrize(('name', 'arch', 'share'), DECAYING)
def test_the_first_layer_keeps_its_share_of_the_rate(name, arch, share):
    wrapper, notes = fitted(name, dict(UNIFORMER, arch=arch))
    ours = 'mmuniformer.LayerDecayOptimWrapperConstructor'
    assert wrapper.constructor == ours
    assert set(wrapper.paramwise_cfg) == {
        'layer_decay_rate',
        'flat_decay_mult',
    }
    model = nn.Module()
    model.backbone = build(dict(UNIFORMER, arch=arch))
    wrapper = dict(
        type='OptimWrapper',
        **{
            key: wrapper[key]
            for key in ('optimizer', 'constructor', 'paramwise_cfg')
        },
    )
    groups = build_optim_wrapper(model, wrapper).optimizer.param_groups
    scales = [group['lr_scale'] for group in groups]
    assert min(scales) == pytest.approx(share, rel=0.02)
    assert max(scales) == 1
    # Norms and biases are free, as in the host's.
    assert all(
        (group['weight_decay'] == 0) == (group['params'][0].dim() == 1)
        for group in groups
    )
    assert any('as before' in note for note in notes)


def test_mmpretrains_constructor_asks_its_own_backbone():
    swin = dict(type='mmpretrain.SwinTransformer', arch='tiny')
    wrapper = dict(
        constructor='LearningRateDecayOptimWrapperConstructor',
        optimizer=dict(type='AdamW', lr=1e-3),
        paramwise_cfg=dict(layer_decay_rate=0.9, norm_decay_mult=0.0),
    )
    cfg = config(default_scope='mmpretrain', optim_wrapper=dict(wrapper))
    fit_optimizer(cfg, [Exchange('backbone', swin, UNIFORMER)])
    rate = cfg.optim_wrapper.paramwise_cfg.layer_decay_rate
    # Twelve blocks there.
    assert rate**19 == pytest.approx(0.9**13, rel=0.01)
    assert cfg.optim_wrapper.constructor == wrapper['constructor']
