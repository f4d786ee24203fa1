"""The light video configs: their recipes, and a step of each."""

import math
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmaction')

from mmaction.registry import MODELS
from mmengine import Config
from mmengine.registry import TRANSFORMS, DefaultScope
from recipe_values import ROOT, entries_of, recipe_of
from test_video_recipes import PLAIN, pipeline_values

from mmuniformer.models import UniFormerLight3D

ENTRIES = [e for e in entries_of('video') if '/uniformer_light/' in e.config]
# "rand" is short for timm's defaults.
PLAIN_RAND = 'rand-m10-n2-mstd0.0'


@pytest.fixture(scope='module', params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture(scope='module')
def loaded(entry) -> Config:
    return Config.fromfile(ROOT / entry.config)


@pytest.fixture
def cfg(loaded) -> Config:
    return deepcopy(loaded)


@pytest.fixture
def recipe(entry) -> dict:
    return recipe_of(entry)[0]


def backbone_values(cfg: Config) -> dict:
    backbone = cfg.model.backbone
    assert backbone.type == 'mmuniformer.UniFormerLight3D'
    assert backbone.with_token
    arch = asdict(UniFormerLight3D.archs[backbone.arch])
    pretrained = Path(backbone.init_cfg.checkpoint)
    assert pretrained.parent.name == 'checkpoints'
    return {
        'depth': list(arch['depths']),
        'dims': list(arch['embed_dims']),
        'head_dim': arch['head_dim'],
        'mlp_ratio': arch['mlp_ratio'],
        'keep_ratio': backbone.get('keep_ratio', 0.5),
        'score_trade_off': 0.5 if backbone.get('running_mean', True) else 1,
        'layer_scale': backbone.get('layer_scale_init_value'),
        'drop_path': backbone.drop_path_rate,
        'drop_rate': backbone.get('drop_rate', 0.0),
        'attn_drop_rate': backbone.get('attn_drop_rate', 0.0),
        'checkpoint_num': backbone.with_cp,
        'pretrained': pretrained.name,
    }


def test_model_and_augmentation(cfg, recipe):
    assert backbone_values(cfg) == recipe['backbone']
    values = pipeline_values(cfg)
    if recipe['pipeline']['randaug'] == 'rand':
        assert values['randaug'] == PLAIN_RAND
        values['randaug'] = 'rand'
    assert values == recipe['pipeline']
    head = cfg.model.cls_head
    assert head.type == 'mmuniformer.ScoreTokenHead'
    assert head.token_weight == recipe['token_weight']
    assert head.in_channels == recipe['backbone']['dims'][-1]
    assert head.dropout_ratio == 0
    blending = cfg.model.data_preprocessor.blending
    classes = {head.num_classes, blending.num_classes}
    assert classes == {recipe['num_classes']}
    augment = cfg.train_dataloader.dataset.pipeline[-1]
    assert augment.num_repeats == recipe['batch']['repeated_aug']


def test_schedule(entry, cfg, recipe):
    wrapper = cfg.optim_wrapper
    optimizer = wrapper.optimizer
    assert wrapper.type == 'OptimWrapper'
    assert not recipe['amp']
    assert recipe['optimizer'] == {
        'type': optimizer.type,
        'lr': optimizer.lr,
        'betas': [*optimizer.betas],
        'weight_decay': optimizer.weight_decay,
        'grad_clip': wrapper.clip_grad.max_norm,
    }
    assert wrapper.paramwise_cfg.flat_decay_mult == 0
    warmup, cosine = cfg.param_scheduler
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
    assert batch['gpus'] * batch['per_gpu'] == batch['total']
    side, frames = recipe['pipeline']['crop'], recipe['pipeline']['frames']
    assert f'-{side}px_' in entry.name
    assert f'_{batch["gpus"]}xb{batch["per_gpu"]}-u{frames}-' in entry.name


def test_evaluation(entry, cfg, recipe):
    expected = recipe['eval']
    assert cfg.train_cfg.val_interval == expected['interval']
    assert (expected['clips'], expected['crops']) == (1, 1)
    frames = recipe['pipeline']['frames']
    assert entry.metadata.data['Views'] == f'{frames}x1x1'
    for split in ('val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        by_type = {transform.type: transform for transform in dataset.pipeline}
        sampler = by_type['UniformSample']
        assert (sampler.clip_len, sampler.test_mode) == (frames, True)
        assert by_type['Resize'].scale == (-1, expected['crop'])
        assert by_type['CenterCrop'].crop_size == expected['crop']
        assert dataset.ann_file == 'kinetics400_val_list_videos.txt'


def test_parameters_are_the_published_ones(cfg, recipe):
    """Published with the 1000 classes of the image models."""
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmaction'),
    ):
        model = MODELS.build(cfg.model)
    counted = sum(parameter.numel() for parameter in model.parameters())
    width = cfg.model.cls_head.in_channels
    counted += 2 * (1000 - 400) * (width + 1)
    expected = recipe['published']['Parameters']
    assert counted == pytest.approx(expected, rel=0.01)


def test_plain_rand_is_as_strong_as_the_official_one():
    """At a magnitude of 10, where rounding up or down decides."""
    entry = next(e for e in ENTRIES if '4xb64-u4-' in e.name)
    cfg = Config.fromfile(ROOT / entry.config)
    node = cfg.train_dataloader.dataset.pipeline[-1].transforms[0]
    with DefaultScope.overwrite_default_scope('mmaction'):
        augment = TRANSFORMS.build(node).randaug
    by_name = {type(operation).__name__: operation for operation in augment}
    for kind, strength in PLAIN.items():
        value = by_name[kind].random_magnitude()
        value += by_name[kind].magnitude_range == (-0.9, 0.9)
        if kind == 'Posterize':
            value = math.ceil(value)
        assert value == pytest.approx(strength(10)), kind


def test_trains_and_tests(cfg, reduced_recognizer, outcome):
    out = outcome(reduced_recognizer(cfg))
    of_map, of_token, total = (
        out.scalars[f'train/{name}']
        for name in ('loss_cls', 'token_loss_cls', 'loss')
    )
    assert 0 < of_map < math.inf
    assert 0 < of_token < math.inf
    assert total == pytest.approx(of_map + of_token, rel=1e-5)
    assert out.unused == []
    assert out.changed
    # Two copies of two clips, then a view each of two videos, twice.
    assert out.trained == [[4, 3, 4, 64, 64]]
    assert out.validated == out.tested == [[2, 3, 4, 64, 64]]
    assert 0 <= out.metrics['acc/top1'] <= out.metrics['acc/top5'] <= 1
