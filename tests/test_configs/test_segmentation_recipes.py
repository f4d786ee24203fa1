"""Segmentation configs against the values of the official experiments."""

import math

import pytest
import torch
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmseg.registry import MODELS as MMSEG_MODELS
from recipe_values import (
    RECIPES,
    ROOT,
    different_values,
    entries_of,
    recipe_of,
)

from mmuniformer.analysis.complexity import measure_config

ENTRIES = entries_of('segmentation')
FLIPS = ['RandomFlip', 'RandomFlip']
FOLDER = ROOT / 'configs/segmentation'


@pytest.fixture(scope='module', params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture(scope='module')
def cfg(entry) -> Config:
    return Config.fromfile(ROOT / entry.config)


def head_values(head: Config | None, recipe: dict | None) -> dict | None:
    """A head's settings under the recipe's keys."""
    if head is None:
        return None
    values = {key: head.get(key) for key in recipe}
    values['dropout'] = head.dropout_ratio
    values['norm'] = head.norm_cfg.type
    if 'loss_weight' in recipe:
        values['loss_weight'] = head.loss_decode.loss_weight
    if 'pool_scales' in recipe:
        values['pool_scales'] = list(head.pool_scales)
    assert head.loss_decode.type == 'CrossEntropyLoss'
    return values


def neck_values(neck: Config | None) -> dict | None:
    if neck is None:
        return None
    keys = ('type', 'in_channels', 'out_channels', 'num_outs')
    return {key: neck[key] for key in keys}


def pipeline_values(cfg: Config) -> dict:
    pipeline = cfg.train_dataloader.dataset.pipeline
    by_type = {transform.type: transform for transform in pipeline}
    assert list(by_type) == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomResize',
        'RandomCrop',
        'RandomFlip',
        'PhotoMetricDistortion',
        'PackSegInputs',
    ]
    assert by_type['LoadAnnotations'].reduce_zero_label
    resize, crop = by_type['RandomResize'], by_type['RandomCrop']
    assert resize.keep_ratio
    data_preprocessor = cfg.model.data_preprocessor
    return {
        'scale': list(resize.scale),
        'ratio_range': list(resize.ratio_range),
        'crop': list(crop.crop_size),
        'cat_max_ratio': crop.cat_max_ratio,
        'flip': by_type['RandomFlip'].prob,
        'photometric_distortion': True,
        'pad': list(data_preprocessor.size),
        'pad_label': data_preprocessor.seg_pad_val,
        'mean': data_preprocessor.mean,
        'std': data_preprocessor.std,
        'rgb': data_preprocessor.bgr_to_rgb,
    }


def optimizer_values(optim_wrapper: Config) -> dict:
    optimizer = optim_wrapper.optimizer
    custom = optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    assert all(value == {'decay_mult': 0.0} for value in custom.values())
    return {
        'type': optimizer.type,
        'lr': optimizer.lr,
        'betas': list(optimizer.betas),
        'weight_decay': optimizer.weight_decay,
        'no_decay_keys': list(custom),
        'grad_clip': optim_wrapper.get('clip_grad'),
    }


def schedule_values(cfg: Config) -> dict:
    warmup, main = cfg.param_scheduler
    assert warmup.type == 'mmuniformer.LinearWarmupLR'
    assert not warmup.by_epoch
    assert not main.by_epoch
    assert main.end == cfg.train_cfg.max_iters
    policy = main.type.replace('mmuniformer.PolyDecayLR', 'PolyLR')
    if policy == 'PolyLR':
        shape = {'power': main.power, 'min_lr': main.eta_min}
    else:
        shape = {'min_lr_ratio': main.eta_min_ratio}
    return {
        'iters': cfg.train_cfg.max_iters,
        'policy': policy,
        **shape,
        'warmup_iters': warmup.end,
        'warmup_ratio': warmup.start_factor,
    }


def evaluation_values(cfg: Config) -> dict:
    pipeline = cfg.test_dataloader.dataset.pipeline
    assert pipeline == cfg.val_dataloader.dataset.pipeline
    by_type = {transform.type: transform for transform in pipeline}
    views = cfg.tta_pipeline[1].transforms
    scales, *others = views
    align = by_type.get('ResizeToMultiple')
    assert ([align] in others) == (align is not None)
    assert all(view.keep_ratio for view in scales)
    assert [[t.type for t in step] for step in others if len(step) > 1] == [
        FLIPS
    ]
    ratios = [view.scale[0] / 2048 for view in scales]
    assert ratios == [view.scale[1] / 512 for view in scales]
    return {
        'mode': cfg.model.test_cfg.mode,
        'scale': list(by_type['Resize'].scale),
        'size_divisor': align and align.size_divisor,
        'flip': 'RandomFlip' in by_type,
        'interval': cfg.train_cfg.val_interval,
        'ms_ratios': ratios,
    }


def test_values_are_the_official_ones(entry, cfg):
    recipe, changed = recipe_of(entry)
    different = different_values(cfg, recipe)
    if cfg.model.backbone.get('test_stage3'):
        different.add('test_stage3')
    assert different == set(changed)

    heads = recipe['heads']
    assert neck_values(cfg.model.get('neck')) == heads['neck']
    for name in ('decode_head', 'auxiliary_head'):
        values = head_values(cfg.model.get(name), heads[name])
        assert values == heads[name]
    assert pipeline_values(cfg) == recipe['pipeline']
    assert optimizer_values(cfg.optim_wrapper) == recipe['optimizer']
    assert (cfg.optim_wrapper.type == 'AmpOptimWrapper') == recipe['amp']
    assert schedule_values(cfg) == recipe['schedule']
    assert cfg.train_dataloader.batch_size == recipe['batch']['per_gpu']
    assert cfg.auto_scale_lr.base_batch_size == recipe['batch']['total']
    assert evaluation_values(cfg) == recipe['eval']


def test_test_leaves_change_the_style_alone(entry, cfg):
    name, _, style = entry.config.removesuffix('.py').partition('_test-')
    if not style:
        assert 'test_stage3' not in cfg.model.backbone
        return
    trained = Config.fromfile(ROOT / f'{name}.py').to_dict()
    tested = cfg.to_dict()
    test_stage3 = tested['model']['backbone'].pop('test_stage3')
    assert tested == trained
    stage3 = {'h': 'hybrid', 'w': 'window'}[style[0]]
    assert test_stage3 == {'stage3': stage3, 'window_size': int(style[1:])}

    recipe, _ = recipe_of(entry)
    published = recipe['published_tests'][style]
    (result,) = entry.results
    figures = result.metrics | {'FLOPs': entry.metadata.data['FLOPs']}
    assert figures == published


def build_segmentor(cfg: Config) -> torch.nn.Module:
    """The segmentor of a config at full size, without memory."""
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmseg'),
    ):
        return MMSEG_MODELS.build(cfg.model)


def test_parameters_are_the_published_ones(entry, cfg):
    segmentor = build_segmentor(cfg)
    counted = sum(parameter.numel() for parameter in segmentor.parameters())
    recipe, _ = recipe_of(entry)
    published = recipe['published']['Parameters']
    # Published in whole millions.
    assert abs(counted - published) < max(0.01 * published, 0.5e6)


@pytest.mark.parametrize('arch', ['xxs', 'xs'])
def test_flops_of_the_light_models_are_the_published_ones(arch):
    name = f'fpn_uniformer-{arch}_8xb4-80k_ade20k-512x512'
    (entry,) = (entry for entry in ENTRIES if entry.name == name)
    counted = measure_config(Config.fromfile(ROOT / entry.config), (512, 512))
    published = entry.metadata.data['FLOPs']
    assert counted.model.total == pytest.approx(published, rel=0.03)


# The others differ from these in the backbone, whose counts have tests of
# their own, or take a minute each; they are in the READMEs.
@pytest.mark.parametrize(
    'name',
    [
        'fpn_uniformer-s_8xb4-80k_ade20k-512x512_test-w32',
        'fpn_uniformer-s-h14_8xb4-80k_ade20k-512x512',
    ],
)
def test_flops_are_the_published_ones(name):
    (entry,) = (entry for entry in ENTRIES if entry.name == name)
    counted = measure_config(Config.fromfile(ROOT / entry.config), (512, 2048))
    published = entry.metadata.data['FLOPs']
    assert counted.model.total == pytest.approx(published, rel=0.01)


def official_rate(recipe: dict, iteration: int) -> float:
    """Learning rate of mmcv 1: warm-up times the running schedule."""
    schedule, rate = recipe['schedule'], recipe['optimizer']['lr']
    progress = iteration / schedule['iters']
    if schedule['policy'] == 'PolyLR':
        low = schedule['min_lr']
        rate = low + (rate - low) * (1 - progress) ** schedule['power']
    else:
        low = rate * schedule['min_lr_ratio']
        rate = low + (rate - low) * (1 + math.cos(math.pi * progress)) / 2
    missing = 1 - min(iteration / schedule['warmup_iters'], 1)
    return rate * (1 - missing * (1 - schedule['warmup_ratio']))


@pytest.mark.parametrize('recipe_id', [
    'semantic_segmentation/exp/upernet_global_small',
    'semantic_segmentation/fpn_seg/exp/fpn_global_small',
])  # fmt: skip
def test_learning_rate_is_the_official_one_at_every_iteration(recipe_id):
    recipe = RECIPES[recipe_id]
    (config,) = (
        e.config
        for e in ENTRIES
        if e.metadata.data.get('Official') == recipe_id
    )
    cfg = Config.fromfile(ROOT / config)
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], lr=cfg.optim_wrapper.optimizer.lr
    )
    schedulers = [
        PARAM_SCHEDULERS.build(dict(node, optimizer=optimizer))
        for node in cfg.param_scheduler
    ]
    optimizer.step()
    rates = []
    for _ in range(cfg.train_cfg.max_iters):
        rates.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    for iteration, rate in enumerate(rates):
        expected = official_rate(recipe, iteration)
        assert math.isclose(rate, expected, rel_tol=1e-6), iteration


@pytest.mark.parametrize(('name', 'decayed'), [
    ('uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512', 0.01),
    ('fpn_uniformer-s_8xb4-80k_ade20k-512x512', 1e-4),
])  # fmt: skip
def test_only_norms_of_upernets_backbone_escape_weight_decay(name, decayed):
    (path,) = FOLDER.rglob(f'{name}.py')
    cfg = Config.fromfile(path)
    segmentor = build_segmentor(cfg)
    with DefaultScope.overwrite_default_scope('mmseg'):
        optimizer = build_optim_wrapper(segmentor, cfg.optim_wrapper).optimizer
    decay = {
        id(p): group['weight_decay']
        for group in optimizer.param_groups
        for p in group['params']
    }
    for key, parameter in segmentor.named_parameters():
        is_norm = key.startswith('backbone.') and 'norm' in key
        spared = is_norm and 'upernet' in name
        assert decay[id(parameter)] == (0.0 if spared else decayed), key
