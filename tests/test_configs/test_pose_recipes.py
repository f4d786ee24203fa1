"""Pose configs against the values of the official experiments."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmpose')

from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpose.codecs import MSRAHeatmap
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    RandomBBoxTransform,
    RandomFlip,
    RandomHalfBody,
)
from mmpose.evaluation import CocoMetric
from mmpose.models import HeatmapHead
from mmpose.registry import MODELS, TRANSFORMS
from recipe_values import (
    ROOT,
    different_values,
    entries_of,
    recipe_of,
    step_schedule_values,
)

from mmuniformer.analysis.complexity import measure_config

ENTRIES = entries_of('pose')
# Those that take less than this are counted here: it needs a forward pass.
AFFORDABLE = 13e9
# The words of mmpose 0.16 for what the transforms of mmpose 1 do by default:
# docs/pose.md compares them.
ROTATE_FACTOR = {40: 80.0}
SCALE_FACTOR = {0.5: (0.5, 1.5)}
LOSSES = {'JointsMSELoss': 'KeypointMSELoss'}


@pytest.fixture(scope='module', params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture(scope='module')
def cfg(entry) -> Config:
    return Config.fromfile(ROOT / entry.config)


@pytest.fixture(scope='module')
def recipe(entry) -> dict:
    return recipe_of(entry)[0]


def build(registry, settings: dict):
    with DefaultScope.overwrite_default_scope('mmpose'):
        return registry.build(settings)


def pipeline_of(cfg: Config, split: str) -> dict:
    """The transforms of a split by type, as they are built."""
    pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
    transforms = [build(TRANSFORMS, transform) for transform in pipeline]
    return {type(transform): transform for transform in transforms}


def test_backbone(entry, cfg, recipe):
    assert different_values(cfg, recipe) == set(recipe_of(entry)[1])


def test_head(cfg, recipe):
    head = build(MODELS, cfg.model.head)
    assert isinstance(head, HeatmapHead)
    deconvs = [
        layer
        for layer in head.deconv_layers
        if isinstance(layer, torch.nn.ConvTranspose2d)
    ]
    expected = recipe['heads']
    assert [d.out_channels for d in deconvs] == expected['deconv_channels']
    kernels = [[k, k] for k in expected['deconv_kernels']]
    assert [list(d.kernel_size) for d in deconvs] == kernels
    assert set(head.final_layer.kernel_size) == {expected['final_kernel']}
    loss = cfg.model.head.loss
    assert loss.type == LOSSES[expected['loss']]
    assert loss.use_target_weight == expected['target_weight']


def test_codec_and_augmentation(cfg, recipe):
    expected = recipe['pipeline']
    codec = cfg.model.head.decoder
    assert codec.type == MSRAHeatmap.__name__
    assert list(codec.input_size) == expected['input_size_wh']
    assert list(codec.heatmap_size) == expected['heatmap_size_wh']
    assert codec.sigma == expected['sigma']
    for split in ('train', 'val', 'test'):
        for transform in cfg[f'{split}_dataloader'].dataset.pipeline:
            if transform.type == 'TopdownAffine':
                assert transform.input_size == codec.input_size
            if transform.type == 'GenerateTarget':
                assert transform.encoder == codec

    train = pipeline_of(cfg, 'train')
    assert train[GetBBoxCenterScale].padding == 1.25
    assert train[RandomFlip].prob == expected['flip']
    half_body = expected['half_body']
    assert train[RandomHalfBody].prob == half_body['prob']
    # "More than", then, and "at least", now.
    least = train[RandomHalfBody].min_total_keypoints
    assert least == half_body['num_joints'] + 1
    box = train[RandomBBoxTransform]
    assert box.rotate_factor == ROTATE_FACTOR[expected['rot_factor']]
    assert box.rotate_prob == 0.6
    assert box.scale_factor == SCALE_FACTOR[expected['scale_factor']]
    assert cfg.model.data_preprocessor.mean == expected['mean']
    assert cfg.model.data_preprocessor.std == expected['std']
    assert cfg.model.data_preprocessor.bgr_to_rgb


def test_schedule(cfg, recipe):
    wrapper = cfg.optim_wrapper
    optimizer = wrapper.optimizer
    assert recipe['optimizer'] == {
        'type': optimizer.type,
        'lr': optimizer.lr,
        'betas': list(optimizer.betas),
        'weight_decay': optimizer.weight_decay,
        'grad_clip': wrapper.get('clip_grad'),
    }
    assert wrapper.type == 'AmpOptimWrapper'
    assert wrapper.loss_scale == recipe['amp']['loss_scale']
    assert step_schedule_values(cfg) == recipe['schedule']
    assert cfg.train_dataloader.batch_size == recipe['batch']['per_gpu']
    assert cfg.auto_scale_lr.base_batch_size == recipe['batch']['total']
    assert f'_8xb{recipe["batch"]["per_gpu"]}-' in cfg.filename


def test_evaluation(cfg, recipe):
    expected = recipe['eval']
    test_cfg = cfg.model.test_cfg
    assert test_cfg.flip_test == expected['flip_test']
    assert test_cfg.shift_heatmap == expected['shift_heatmap']
    assert cfg.train_cfg.val_interval == expected['interval']
    assert not cfg.model.head.decoder.get('unbiased', False)
    for split in ('val', 'test'):
        boxes = Path(cfg[f'{split}_dataloader'].dataset.bbox_file)
        assert boxes.name == expected['person_boxes']
        settings = dict(cfg[f'{split}_evaluator'])
        assert settings.pop('type') == CocoMetric.__name__
        settings.pop('_scope_', None)
        metric = CocoMetric(**settings | {'ann_file': None})
        assert metric.nms_thr == expected['oks_thr']
        assert metric.keypoint_score_thr == expected['vis_thr']
        soft = metric.nms_mode == 'soft_oks_nms'
        assert soft == expected['soft_nms']


def overcounted(backbone) -> int:
    """What the paper counts more than is done, for windows at 384 x 288.

    Its numbers come out if the two products of attention are those of global
    attention in every block; the padded maps of 28 x 28 are in ours too.
    """
    windowed = {'window': 8, 'hybrid': 6}.get(backbone.get('stage3'), 0)
    in_windows, everywhere = 4 * (14 * 14) ** 2, (24 * 18) ** 2
    return windowed * 2 * (everywhere - in_windows) * 320


def test_parameters_and_flops_are_the_published_ones(entry, cfg, recipe):
    with torch.device('meta'):
        model = build(MODELS, cfg.model)
    parameters = sum(p.numel() for p in model.parameters())
    published = recipe['published']['Parameters']
    assert parameters == pytest.approx(published, rel=0.01)

    flops = entry.metadata.data['FLOPs']
    if flops < AFFORDABLE:
        width, height = cfg.model.head.decoder.input_size
        with DefaultScope.overwrite_default_scope('mmpose'):
            complexity = measure_config(cfg, (height, width))
        total = complexity.model.total + overcounted(cfg.model.backbone)
        assert total == pytest.approx(flops, rel=0.01)


def test_everything_is_decayed():
    """Norms and biases too: the one official exception matches nothing."""
    cfg = Config.fromfile(ROOT / ENTRIES[0].config)
    with torch.device('meta'):
        model = build(MODELS, cfg.model)
    # The AMP wrapper refuses to start without an accelerator; the groups are
    # made by the constructor that both wrappers share.
    cfg.optim_wrapper.type = 'OptimWrapper'
    cfg.optim_wrapper.pop('loss_scale')
    with DefaultScope.overwrite_default_scope('mmpose'):
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    groups = optimizer.param_groups
    assert {group['weight_decay'] for group in groups} == {0.01}
    held = sum(len(group['params']) for group in groups)
    assert held == len(list(model.parameters()))
