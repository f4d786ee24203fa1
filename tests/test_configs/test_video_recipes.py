"""Video configs against the values of the official experiments."""

import math
import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip('mmaction')

from mmaction.registry import MODELS
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, TRANSFORMS, DefaultScope
from recipe_values import ROOT, entries_of, recipe_of

from mmuniformer import UniFormer3D

ENTRIES = [e for e in entries_of('video') if '/uniformer/' in e.config]
PUBLISHED = {
    entry.metadata.data['Official'].rpartition('uniformer_')[2]: entry
    for entry in ENTRIES
    if 'Official' in entry.metadata.data
}
# Files that hold the backbone of an official file.
SAME_BACKBONE = {
    'uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-c630a037.pth': 'uniformer_small_k400_16x4.pth',  # noqa: E501
    'uniformer-base_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-157c2e66.pth': 'uniformer_base_k400_16x4.pth',  # noqa: E501
}
FOLDERS = {
    'Kinetics-400': ('kinetics400', 'kinetics400', 'list'),
    'Kinetics-600': ('kinetics600', 'kinetics600', 'list'),
    'Something-Something V1': ('sthv1', 'sthv1', 'list'),
    'Something-Something V2': ('sthv2', 'sthv2', 'list'),
    'UCF101 split1': ('ucf101', 'ucf101', 'split_1'),
    'HMDB51 split1': ('hmdb51', 'hmdb51', 'split_1'),
}


@pytest.fixture(scope='module', params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@cache
def load(config: str) -> Config:
    return Config.fromfile(ROOT / config)


@pytest.fixture
def cfg(entry) -> Config:
    return deepcopy(load(entry.config))


@pytest.fixture
def recipe(entry) -> dict:
    return recipe_of(entry)[0]


def published(name: str) -> tuple[dict, Config]:
    """Recipe and config of an official experiment."""
    entry = PUBLISHED[name]
    return recipe_of(entry)[0], deepcopy(load(entry.config))


def backbone_values(cfg: Config) -> dict:
    backbone = cfg.model.backbone
    assert backbone.type == 'mmuniformer.UniFormer3D'
    arch = UniFormer3D.archs[backbone.arch]
    pretrained = Path(backbone.init_cfg.checkpoint).name
    return {
        'depth': list(arch.depths),
        'dims': list(arch.embed_dims),
        'head_dim': arch.head_dim,
        'mlp_ratio': arch.mlp_ratio,
        'attention': backbone.get('attention', 'joint'),
        'drop_path': backbone.drop_path_rate,
        'drop_rate': backbone.get('drop_rate', 0.0),
        'attn_drop_rate': backbone.get('attn_drop_rate', 0.0),
        'checkpoint_num': backbone.get('with_cp', [0, 0, 0, 0]),
        'pretrained': SAME_BACKBONE.get(pretrained, pretrained),
    }


def randaug_name(policy: Config) -> str:
    """A policy in the words of the official configs."""
    grey = [128, 128, 128]
    assert policy.hparams == dict(pad_val=grey, interpolation='bicubic')
    name = (
        f'rand-m{policy.magnitude_level}-n{policy.num_policies}'
        f'-mstd{policy.magnitude_std}'
    )
    increasing = policy.policies == 'timm_increasing'
    return f'{name}-inc1' if increasing else name


def sampling_values(dataset: Config, transform: Config) -> dict:
    if transform.type == 'mmuniformer.DenseSample':
        assert dataset.type == 'VideoDataset'
        return {
            'sampler': 'dense',
            'frames': transform.clip_len,
            'stride': transform.frame_interval,
            'target_fps': transform.get('target_fps'),
            'image_template': None,
        }
    assert transform.type == 'UniformSample'
    if dataset.type == 'VideoDataset':
        values = dict.fromkeys(('stride', 'target_fps', 'image_template'))
        return {'sampler': 'sparse', 'frames': transform.clip_len, **values}
    assert dataset.type == 'RawframeDataset'
    return {
        'sampler': 'uniform',
        'frames': transform.clip_len,
        'stride': None,
        'target_fps': None,
        'image_template': dataset.filename_tmpl.replace('05}', '05d}'),
    }


def pipeline_values(cfg: Config) -> dict:
    dataset = cfg.train_dataloader.dataset
    *reading, augment = dataset.pipeline
    (sampler,) = (t for t in reading if 'clip_len' in t)
    types = [transform.type for transform in augment.transforms]
    by_type = dict(zip(types, augment.transforms, strict=True))
    flip = by_type.pop('Flip', None)
    assert list(by_type) == [
        'mmuniformer.ClipRandAugment',
        'RandomResizedCrop',
        'Resize',
        'RandomErasing',
        'FormatShape',
        'PackActionInputs',
    ]
    crop, resize = by_type['RandomResizedCrop'], by_type['Resize']
    erasing = by_type['RandomErasing']
    assert not resize.keep_ratio
    assert resize.scale[0] == resize.scale[1]
    assert flip is None or flip.flip_ratio == 0.5

    preprocessor = cfg.model.data_preprocessor
    assert not preprocessor.get('to_rgb', False)
    mean, std = preprocessor.mean, preprocessor.std
    assert erasing.mode == 'rand'
    assert [*erasing.fill_color] == mean
    assert [*erasing.fill_std] == std
    mean, std = {value / 255 for value in mean}, {value / 255 for value in std}
    orders = [t.order for t in reading if 'order' in t]
    return {
        **sampling_values(dataset, sampler),
        'channel_order': orders[0] if orders else 'rgb',
        'crop': resize.scale[0],
        'area': [*crop.area_range],
        'ratio': [*crop.aspect_ratio_range],
        'hflip': flip is not None,
        'randaug': randaug_name(by_type['mmuniformer.ClipRandAugment']),
        'interpolation': 'bicubic',
        'random_erasing': erasing.erase_prob,
        'mixup': preprocessor.blending.mixup_alpha,
        'cutmix': preprocessor.blending.cutmix_alpha,
        'switch_prob': preprocessor.blending.switch_prob,
        'label_smoothing': cfg.model.cls_head.label_smooth_eps,
        'mean': mean.pop() if len(mean) == 1 else mean,
        'std': std.pop() if len(std) == 1 else std,
    }


def different_values(cfg: Config, recipe: dict) -> set[str]:
    """Keys in which a config is not the recipe of the same or another."""
    ours = backbone_values(cfg) | pipeline_values(cfg)
    theirs = recipe['backbone'] | recipe['pipeline']
    different = {key for key in theirs if ours[key] != theirs[key]}
    if cfg.model.backbone.get('stage_types', 'LLGG') != 'LLGG':
        different.add('stage_types')
    if not cfg.model.backbone.get('inflate', True):
        different.add('inflate')
    return different


def test_model_and_augmentation(entry, cfg, recipe):
    assert different_values(cfg, recipe) == set(recipe_of(entry)[1])
    head = cfg.model.cls_head
    assert head.num_classes == recipe['num_classes']
    blending = cfg.model.data_preprocessor.blending
    assert blending.num_classes == head.num_classes
    assert head.dropout_ratio == 0
    augment = cfg.train_dataloader.dataset.pipeline[-1]
    assert augment.num_repeats == recipe['batch']['repeated_aug']
    assert cfg.train_dataloader.collate_fn.type == 'repeat_pseudo_collate'


def test_schedule(entry, cfg, recipe):
    wrapper = cfg.optim_wrapper
    optimizer = wrapper.optimizer
    assert recipe['optimizer'] == {
        'type': optimizer.type,
        'lr': optimizer.lr,
        'betas': [*optimizer.betas],
        'weight_decay': optimizer.weight_decay,
        'grad_clip': wrapper.clip_grad.max_norm,
    }
    assert (wrapper.type == 'AmpOptimWrapper') == recipe['amp']
    warmup, cosine = cfg.param_scheduler
    assert warmup.type == 'mmuniformer.LinearWarmupLR'
    assert cosine.type == 'CosineAnnealingLR'
    assert warmup.convert_to_iter_based
    assert cosine.convert_to_iter_based
    assert cosine.begin == warmup.end
    assert cosine.end == cfg.train_cfg.max_epochs
    assert recipe['schedule'] == {
        'epochs': cfg.train_cfg.max_epochs,
        'warmup_epochs': warmup.end,
        'warmup_start_lr': pytest.approx(warmup.start_factor * optimizer.lr),
        'end_lr': cosine.eta_min,
    }
    batch = recipe['batch']
    assert cfg.train_dataloader.batch_size == batch['per_gpu']
    assert cfg.auto_scale_lr.base_batch_size == batch['total']
    assert f'_{batch["gpus"]}xb{batch["per_gpu"]}-' in entry.name
    assert f'-{cfg.train_cfg.max_epochs}e_' in entry.name


def test_evaluation(entry, cfg, recipe):
    expected = recipe['eval']
    assert cfg.train_cfg.val_interval == expected['interval']
    # The official model gives logits in its test too.
    assert cfg.model.cls_head.average_clips == 'score'
    train = sampling_values(
        cfg.train_dataloader.dataset,
        *(t for t in cfg.train_dataloader.dataset.pipeline if 'clip_len' in t),
    )
    views = {}
    for split in ('val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        by_type = {transform.type: transform for transform in dataset.pipeline}
        (sampler,) = (t for t in dataset.pipeline if 'clip_len' in t)
        assert sampler.test_mode
        assert dataset.test_mode
        assert sampling_values(dataset, sampler) == train
        assert by_type['Resize'].scale == (-1, expected['crop'])
        crops = 3 if 'ThreeCrop' in by_type else 1
        crop = by_type['ThreeCrop' if crops == 3 else 'CenterCrop']
        assert crop.crop_size == expected['crop']
        views[split] = sampler.get('num_clips', 1), crops
    assert views['val'] == (1, 1)
    assert views['test'] == (expected['clips'], expected['crops'])
    clips, crops = views['test']
    named = f'{train["frames"]}x{crops}x{clips}'
    assert entry.metadata.data['Views'] == named


def test_data(cfg, recipe):
    folder, name, which = FOLDERS[recipe['dataset']]
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        part = 'train' if split == 'train' else 'val'
        kind = 'rawframes' if 'filename_tmpl' in dataset else 'videos'
        assert dataset.data_root == f'data/{folder}/'
        assert dataset.ann_file == f'{name}_{part}_{which}_{kind}.txt'
        prefix = f'videos_{part}' if 'kinetics' in name else kind
        assert [*dataset.data_prefix.values()] == [prefix]


@pytest.mark.parametrize('name', PUBLISHED)
def test_parameters_are_the_published_ones(name):
    recipe, cfg = published(name)
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmaction'),
    ):
        model = MODELS.build(cfg.model)
    counted = sum(parameter.numel() for parameter in model.parameters())
    expected = recipe['published']['Parameters']
    assert counted == pytest.approx(expected, rel=0.01)


def official_rate(recipe: dict, epoch: float) -> float:
    """Learning rate at a moment: a line up, then half a wave down."""
    schedule, rate = recipe['schedule'], recipe['optimizer']['lr']
    warmup, low = schedule['warmup_epochs'], schedule['end_lr']
    if epoch < warmup:
        start = schedule['warmup_start_lr']
        return start + (rate - start) * epoch / warmup
    progress = (epoch - warmup) / (schedule['epochs'] - warmup)
    return low + (rate - low) * (1 + math.cos(math.pi * progress)) / 2


@pytest.mark.parametrize('name', [
    's16x4_k400', 'b16x4_k600', 's8x8_k400', 'b16_sthv1_prek400',
    's32_sthv2_prek600', 's16x4_ucf101_prek400',
])  # fmt: skip
def test_learning_rate_is_the_official_one_at_every_iteration(name):
    recipe, cfg = published(name)
    optimizer = torch.optim.SGD(
        [torch.zeros(1, requires_grad=True)], lr=cfg.optim_wrapper.optimizer.lr
    )
    length = 200
    schedulers = []
    for node in cfg.param_scheduler:
        settings = dict(node, optimizer=optimizer, epoch_length=length)
        schedulers.append(PARAM_SCHEDULERS.build(settings))
    optimizer.step()
    rates = []
    for _ in range(cfg.train_cfg.max_epochs * length):
        rates.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    for iteration, rate in enumerate(rates):
        expected = official_rate(recipe, iteration / length)
        assert math.isclose(rate, expected, rel_tol=1e-9), iteration


def test_only_what_has_more_than_one_dimension_is_decayed():
    _, cfg = published('s16x4_k400')
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmaction'),
    ):
        model = MODELS.build(cfg.model)
        # The AMP wrapper refuses to start without an accelerator; the groups
        # are made by the constructor that both wrappers share.
        cfg.optim_wrapper.update(type='OptimWrapper')
        cfg.optim_wrapper.pop('loss_scale')
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    decay = {
        id(parameter): group['weight_decay']
        for group in optimizer.param_groups
        for parameter in group['params']
    }
    for name, parameter in model.named_parameters():
        expected = 0.05 if parameter.ndim > 1 else 0.0
        assert decay[id(parameter)] == expected, name
    # Depthwise convolutions are decayed, position embeddings included.
    named = dict(model.named_parameters())
    position = named['backbone.blocks1.0.pos_embed.weight']
    assert decay[id(position)] == 0.05


# The strength of an operation at a magnitude of 0 to 10: timm's formulas.
INCREASING = {
    'Rotate': lambda m: 3 * m,
    'Posterize': lambda m: 4 - int(0.4 * m),
    'Solarize': lambda m: 256 - int(25.6 * m),
    'SolarizeAdd': lambda m: int(11 * m),
    'ColorTransform': lambda m: 1 + 0.09 * m,
    'Contrast': lambda m: 1 + 0.09 * m,
    'Brightness': lambda m: 1 + 0.09 * m,
    'Sharpness': lambda m: 1 + 0.09 * m,
    'Shear': lambda m: 0.03 * m,
    'Translate': lambda m: 0.045 * m,
}
PLAIN = INCREASING | {
    'Posterize': lambda m: int(0.4 * m),
    'Solarize': lambda m: int(25.6 * m),
    'ColorTransform': lambda m: 0.1 + 0.18 * m,
    'Contrast': lambda m: 0.1 + 0.18 * m,
    'Brightness': lambda m: 0.1 + 0.18 * m,
    'Sharpness': lambda m: 0.1 + 0.18 * m,
}


@pytest.mark.parametrize(
    ('name', 'strengths', 'signed'),
    [('s16x4_k400', INCREASING, True), ('s16x4_ucf101_prek400', PLAIN, False)],
)
def test_operations_are_as_strong_as_the_official_ones(
    name, strengths, signed
):
    _, cfg = published(name)
    node = cfg.train_dataloader.dataset.pipeline[-1].transforms[0]
    with DefaultScope.overwrite_default_scope('mmaction'):
        augment = TRANSFORMS.build(node).randaug
    factors = ('ColorTransform', 'Contrast', 'Brightness', 'Sharpness')
    names = [type(operation).__name__ for operation in augment]
    twice = ('Shear', 'Translate')
    expected = ('AutoContrast', 'Equalize', 'Invert', *strengths, *twice)
    assert sorted(names) == sorted(expected)
    for operation, kind in zip(augment, names, strict=True):
        assert operation.prob == 0.5
        if kind not in strengths:
            continue
        operation.magnitude_std = 0.0
        mirrored = kind in ('Rotate', 'Shear', 'Translate')
        mirrored = mirrored or (signed and kind in factors)
        assert operation.random_negative_prob == 0.5 * mirrored
        for level in (0.3, 2.7, 5.1, 7.2, 9.9):
            operation.magnitude_level = level
            value = operation.random_magnitude()
            if kind == 'Posterize':
                value = math.ceil(value)
            value += kind in factors
            # Grey levels are whole numbers there.
            tolerance = 1 if kind.startswith('Solarize') else 1e-9
            expected = strengths[kind](level)
            assert value == pytest.approx(expected, abs=tolerance), level


@pytest.mark.parametrize('name', ['s16x4_k400', 's16x4_ucf101_prek400'])
def test_what_comes_in_from_outside_is_grey(name):
    _, cfg = published(name)
    node = cfg.train_dataloader.dataset.pipeline[-1].transforms[0]
    with DefaultScope.overwrite_default_scope('mmaction'):
        augment = TRANSFORMS.build(node).randaug
    moved = 0
    for operation in augment:
        if type(operation).__name__ in ('Rotate', 'Shear', 'Translate'):
            operation.prob, operation.magnitude_level = 1.0, 10
            white = np.full((64, 80, 3), 255, np.uint8)
            frame = operation(dict(img=white))['img']
            assert (frame == 128).all(axis=2).sum() > 100
            # Red, green and blue alike, edges included.
            assert (frame == frame[..., :1]).all()
            moved += 1
    assert moved == 5


def test_names_say_what_the_configs_do(entry, cfg):
    clip = re.search(r'-(?:(\d+)x(\d+)x(\d+)|u(\d+))-', entry.name)
    length, stride, clips, uniform = clip.groups()
    values = pipeline_values(cfg)
    assert values['frames'] == int(length or uniform)
    assert (values['sampler'] == 'uniform') == (uniform is not None)
    if length:
        assert (values['stride'], clips) == (int(stride), '1')
    assert f'-{cfg.model.backbone.arch}' in entry.name
