"""Configs of image classifiers against the official experiments' values."""

import re
from copy import deepcopy
from dataclasses import asdict
from functools import cache

import pytest
from mmengine import Config
from recipe_values import RECIPES, ROOT, entries_of, recipe_of

from mmuniformer.models import UniFormerLight
from mmuniformer.registry import MODELS

ENTRIES = entries_of('classification')
PUBLISHED = [e for e in ENTRIES if 'Official' in e.metadata.data]
NUMBERS = {'plain': 5, 'light': 6, 'tl_224': 7, 'tl_384': 4}


def group_of(official: str) -> str:
    if 'token_labeling' in official:
        return 'tl_384' if official.endswith('384') else 'tl_224'
    return 'light' if 'exp_light' in official else 'plain'


@cache
def load(config: str) -> Config:
    return Config.fromfile(ROOT / config)


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture
def cfg(entry) -> Config:
    return deepcopy(load(entry.config))


@pytest.fixture
def recipe(entry) -> dict:
    return recipe_of(entry)[0]


def test_all_of_85_experiments_have_a_leaf():
    """22 of images, and 63 of the other tasks."""
    found = [e.metadata.data['Official'] for e in PUBLISHED]
    groups = [group_of(official) for official in found]
    assert {g: groups.count(g) for g in NUMBERS} == NUMBERS
    assert len(set(found)) == 22
    assert len(RECIPES) == 85


def arch_values(backbone: Config) -> dict:
    cls = MODELS.get(backbone.type)
    named = isinstance(backbone.arch, str)
    arch = asdict(cls.archs[backbone.arch]) if named else backbone.arch
    layer_scale = arch.get('layer_scale_init_value')
    values = {
        'depth': [*arch['depths']],
        'dims': [*arch['embed_dims']],
        'head_dim': arch.get('head_dim', 64),
        'mlp_ratio': arch.get('mlp_ratio', 4.0),
        'conv_stem': arch.get('conv_stem', False),
        'layer_scale': layer_scale,
        'layer_scale_stages': (
            [*arch['layer_scale_stages']] if layer_scale else None
        ),
        'drop_path': backbone.drop_path_rate,
        'drop_rate': backbone.get('drop_rate', 0.0),
        'attn_drop_rate': backbone.get('attn_drop_rate', 0.0),
        'checkpoint_num': backbone.get('with_cp') or [0, 0, 0, 0],
        'mix_token': backbone.get('mix_token', False),
    }
    if issubclass(cls, UniFormerLight):
        running_mean = backbone.get('running_mean', True)
        values['keep_ratio'] = backbone.get('keep_ratio', 0.5)
        values['score_trade_off'] = 0.5 if running_mean else 1
    return values


def test_model(entry, cfg, recipe):
    """Nothing but what an ablation names is another than the recipe's."""
    backbone, changed = cfg.model.backbone, set(recipe_of(entry)[1])
    values = arch_values(backbone)
    different = {k for k in values if values[k] != recipe['backbone'][k]}
    for key, default in (
        ('stage_types', 'LLGG'),
        ('kv_strides', None),
        ('local_size', 5),
        ('use_dpe', True),
        ('local_ffn', True),
    ):
        if backbone.get(key, default) != default:
            different.add(key)
    assert different == changed
    assert values.keys() == recipe['backbone'].keys()
    assert backbone.classifier
    assert (*backbone.out_indices,) == (3,)
    head = cfg.model.head
    assert head.num_classes == recipe['num_classes'] == 1000
    assert cfg.model.data_preprocessor.num_classes == head.num_classes
    assert head.in_channels == recipe['backbone']['dims'][-1]
    assert head.get('token_weight') == recipe['token_weight']
    if recipe['token_weight']:
        assert backbone.with_token
    if recipe['backbone']['mix_token']:
        for key in (
            'aux_loss_weight',
            'aux_score_weight',
            'label_smoothing',
            'swap_axes',
        ):
            assert head[key] == recipe['pipeline'][key]
        side = recipe['pipeline']['size'] // 32
        assert side == recipe['pipeline']['token_label_size']
        assert cfg.model.neck is None
    else:
        assert head.loss == dict(type='CrossEntropyLoss', use_soft=True)
        assert cfg.model.neck == dict(type='GlobalAveragePooling')


def test_optimizer_and_average(cfg, recipe):
    wrapper, values = cfg.optim_wrapper, recipe['optimizer']
    optimizer = wrapper.optimizer
    for key in ('type', 'lr', 'eps', 'weight_decay'):
        assert optimizer[key] == values[key]
    assert [*optimizer.betas] == values['betas']
    assert wrapper.get('clip_grad') == values['grad_clip']
    assert (wrapper.type == 'AmpOptimWrapper') == recipe['amp']
    # With a loss scale that adapts, as is the default.
    assert 'loss_scale' not in wrapper
    hooks, ema = cfg.custom_hooks, recipe['ema']
    if ema is None:
        assert hooks == []
        return
    (hook,) = hooks
    assert hook.type == 'EMAHook'
    assert hook.momentum == pytest.approx(1 - ema['decay'])
    assert hook.update_buffers == ema['buffers']
    assert hook.get('evaluate_on_ema', True) == ema['chooses']
    assert hook.get('evaluate_on_origin', False) != ema['chooses']


def test_batch_and_run(entry, cfg, recipe):
    batch, schedule = recipe['batch'], recipe['schedule']
    loader = cfg.train_dataloader
    assert loader.batch_size == batch['per_gpu']
    assert loader.drop_last == batch['drop_last']
    assert cfg.auto_scale_lr.base_batch_size == batch['total']
    assert batch['gpus'] * batch['per_gpu'] == batch['total']
    if batch['repeated_aug'] > 1:
        assert loader.sampler == dict(
            type='RepeatAugSampler',
            num_repeats=batch['repeated_aug'],
            seed=0,
        )
    else:
        assert loader.sampler == dict(
            type='DefaultSampler', shuffle=True, seed=0
        )
    images = 1281167 // batch['gpus'] // batch['per_gpu']
    assert images == recipe['steps_per_epoch']
    assert cfg.train_cfg == dict(
        by_epoch=True,
        max_epochs=schedule['epochs'],
        val_interval=recipe['eval']['interval'],
    )
    assert cfg.randomness.seed == recipe['seed']
    assert cfg.randomness.diff_rank_seed
    ddp = cfg.model_wrapper_cfg or dict(broadcast_buffers=False)
    assert ddp['broadcast_buffers'] == recipe['broadcast_buffers']
    assert cfg.get('sync_bn') is None
    started = recipe['start'] and f'checkpoints/{recipe["start"]}.pth'
    assert cfg.load_from == started
    assert f'_{batch["gpus"]}xb{batch["per_gpu"]}' in entry.name


def names(pipeline: list) -> list[str]:
    return [transform.type.rpartition('.')[2] for transform in pipeline]


def test_order_and_values_of_training(cfg, recipe):
    values = recipe['pipeline']
    pipeline = cfg.train_dataloader.dataset.pipeline
    by_type = dict(zip(names(pipeline), pipeline, strict=True))
    kind = dict(
        flip=('TokenLabelFlip', 'RandomFlip'),
        augment=('TimmRandAugment', 'TimmAutoAugment'),
        crop=('TokenLabelCrop', 'RandomResizedCrop'),
    )
    order = [k for n in by_type for k, types in kind.items() if n in types]
    augments = cfg.model.data_preprocessor.batch_augments.augments
    batch = augments.get('augments', [augments])
    steps = {'BatchErasing': 'erase', 'BatchMixupCutmix': 'mix'}
    order += [steps[name] for name in names(batch)]
    assert order == values['order']

    (flip,) = (by_type[n] for n in kind['flip'] if n in by_type)
    (crop,) = (by_type[n] for n in kind['crop'] if n in by_type)
    (augment,) = (by_type[n] for n in kind['augment'] if n in by_type)
    assert flip.prob == values['hflip']
    assert crop.scale == values['size']
    assert [*crop.crop_ratio_range] == values['area']
    assert 'aspect_ratio_range' not in crop
    assert crop.interpolation == values['crop_interpolation']
    assert crop.get('backend', 'pillow') == 'pillow'
    assert augment.interpolation == values['augment_interpolation']
    if values['augment'] == 'v0':
        assert augment.type == 'mmuniformer.TimmAutoAugment'
    else:
        found = f'rand-m{augment.magnitude}-mstd{augment.magnitude_std}-inc1'
        assert found == values['augment']
        assert augment.num_ops == 2
    built = MODELS.build(batch[0])
    erasing = values['random_erasing']
    assert built.erase.p == erasing['prob']
    assert [*built.erase.scale] == pytest.approx(erasing['area'])
    assert [*built.erase.ratio] == pytest.approx(erasing['aspect'])
    if 'mix' in order:
        mix = batch[1]
        assert mix.mixup_alpha == values['mixup']
        assert mix.cutmix_alpha == values['cutmix']
        assert mix.switch_prob == values['switch_prob']
        assert mix.label_smoothing == values['label_smoothing']
    first = cfg.model.data_preprocessor
    assert (first.mean, first.std) == (values['mean'], values['std'])
    assert first.to_rgb


def test_evaluation(cfg, recipe):
    expected = recipe['eval']
    for split in ('val', 'test'):
        loader = cfg[f'{split}_dataloader']
        assert loader.dataset.split == 'val'
        load, resize, crop, _ = loader.dataset.pipeline
        assert load == cfg.train_dataloader.dataset.pipeline[0]
        assert resize.scale == expected['resize']
        assert (resize.edge, resize.backend) == ('short', 'pillow')
        assert resize.interpolation == expected['interpolation']
        assert crop == dict(type='CenterCrop', crop_size=expected['crop'])
        assert cfg[f'{split}_evaluator'] == dict(type='Accuracy', topk=(1, 5))
    assert cfg.default_hooks.checkpoint.save_best == 'accuracy/top1'


def test_names_say_what_the_configs_do(entry, cfg, recipe):
    name, backbone = entry.name, cfg.model.backbone
    assert ('-tl_' in name) == recipe['backbone']['mix_token']
    side = re.search(r'-(\d+)px$', name)
    assert int(side[1] if side else 224) == recipe['pipeline']['size']
    if isinstance(backbone.arch, str) and '/ablations/' not in entry.config:
        arch = re.match(r'uniformer-([a-z0-9-]+)_', name)[1].replace('-', '_')
        assert arch in (backbone.arch, f'{backbone.arch}_ls')
