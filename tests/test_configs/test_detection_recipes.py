"""Detection configs against the values of the official experiments."""

import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from recipe_values import (
    ROOT,
    different_values,
    entries_of,
    recipe_of,
    step_schedule_values,
)

# Those without masks have other heads than any experiment.
OWN = [
    entry
    for entry in entries_of('detection')
    if 'heads' in entry.metadata.data.get('Changed', ())
]
ENTRIES = [entry for entry in entries_of('detection') if entry not in OWN]


@pytest.fixture(scope='module', params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture(scope='module')
def cfg(entry) -> Config:
    return Config.fromfile(ROOT / entry.config)


def build_detector(cfg: Config) -> torch.nn.Module:
    """The detector of a config at full size, without memory."""
    with (
        torch.device('meta'),
        DefaultScope.overwrite_default_scope('mmdet'),
    ):
        return MMDET_MODELS.build(cfg.model)


def bbox_head_values(head: Config) -> dict:
    shared = {'Shared2FCBBoxHead': (0, 2)}.get(head.type)
    convs, fcs = shared or (head.num_shared_convs, head.num_shared_fcs)
    return {
        'type': head.type,
        'convs': convs,
        'fcs': fcs,
        'norm': head.norm_cfg.type if 'norm_cfg' in head else None,
        'loss_bbox': head.loss_bbox.type,
        'loss_bbox_weight': head.loss_bbox.loss_weight,
        'class_agnostic': head.reg_class_agnostic,
        'decoded': head.get('reg_decoded_bbox', False),
    }


def head_values(model: Config) -> dict:
    neck, roi_head = model.neck, model.roi_head
    bbox_head = roi_head.bbox_head
    return {
        'neck': {
            key: neck[key]
            for key in ('type', 'in_channels', 'out_channels', 'num_outs')
        },
        'rpn_loss_bbox': model.rpn_head.loss_bbox.type,
        'rpn_proposals_train': model.train_cfg.rpn_proposal.max_per_img,
        'bbox_head': [
            bbox_head_values(head)
            for head in (
                bbox_head if isinstance(bbox_head, list) else [bbox_head]
            )
        ],
        'stage_weights': roi_head.get('stage_loss_weights', [1]),
        'mask_head': {
            'type': roi_head.mask_head.type,
            'convs': roi_head.mask_head.num_convs,
        },
    }


def transform_values(transform: Config) -> dict:
    if transform.type == 'RandomCrop':
        return {
            'crop': {
                'type': transform.crop_type,
                'size': list(transform.crop_size),
                'allow_negative': transform.allow_negative_crop,
            }
        }
    assert transform.keep_ratio
    scales = transform.get('scales') or [transform.scale]
    return {'resize': [list(scale) for scale in scales]}


def pipeline_values(cfg: Config) -> dict:
    pipeline = {
        transform.type: transform
        for transform in cfg.train_dataloader.dataset.pipeline
    }
    flip = pipeline.pop('RandomFlip')
    for name in ('LoadImageFromFile', 'LoadAnnotations', 'PackDetInputs'):
        pipeline.pop(name)
    (resize,) = pipeline.values()
    branches = resize.get('transforms', [[resize]])
    data_preprocessor = cfg.model.data_preprocessor
    return {
        'branches': [
            [transform_values(transform) for transform in branch]
            for branch in branches
        ],
        'flip': flip.prob,
        'pad_divisor': data_preprocessor.pad_size_divisor,
        'mean': data_preprocessor.mean,
        'std': data_preprocessor.std,
        'rgb': data_preprocessor.bgr_to_rgb,
    }


def optimizer_values(optim_wrapper: Config) -> dict:
    optimizer = optim_wrapper.optimizer
    (no_decay,) = {
        tuple(value.items())
        for value in optim_wrapper.paramwise_cfg.custom_keys.values()
    }
    assert no_decay == (('decay_mult', 0.0),)
    return {
        'type': optimizer.type,
        'lr': optimizer.lr,
        'betas': list(optimizer.betas),
        'weight_decay': optimizer.weight_decay,
        'no_decay_keys': list(optim_wrapper.paramwise_cfg.custom_keys),
        'grad_clip': optim_wrapper.get('clip_grad'),
    }


def evaluation_values(cfg: Config) -> dict:
    pipeline = {
        transform.type: transform
        for transform in cfg.test_dataloader.dataset.pipeline
    }
    test_cfg = cfg.model.test_cfg
    return {
        'scale': list(pipeline['Resize'].scale),
        'flip': 'RandomFlip' in pipeline,
        'score_thr': test_cfg.rcnn.score_thr,
        'nms': test_cfg.rcnn.nms.iou_threshold,
        'max_per_img': test_cfg.rcnn.max_per_img,
        'rpn_test_max_per_img': test_cfg.rpn.max_per_img,
        'metrics': cfg.test_evaluator.metric,
    }


def test_values_are_the_official_ones(entry, cfg):
    recipe, changed = recipe_of(entry)
    assert different_values(cfg, recipe) == set(changed)
    assert head_values(cfg.model) == recipe['heads']
    assert pipeline_values(cfg) == recipe['pipeline']
    assert optimizer_values(cfg.optim_wrapper) == recipe['optimizer']
    assert (cfg.optim_wrapper.type == 'AmpOptimWrapper') == recipe['amp']
    assert step_schedule_values(cfg) == recipe['schedule']
    assert cfg.train_dataloader.batch_size == recipe['batch']['per_gpu']
    assert cfg.auto_scale_lr.base_batch_size == recipe['batch']['total']
    assert evaluation_values(cfg) == recipe['eval']


@pytest.mark.parametrize('own', OWN, ids=lambda entry: entry.name)
def test_detectors_without_masks_are_trained_as_the_others(own):
    recipe, _ = recipe_of(own)
    cfg = Config.fromfile(ROOT / own.config)
    assert different_values(cfg, recipe) == set()
    assert pipeline_values(cfg) == recipe['pipeline']
    assert optimizer_values(cfg.optim_wrapper) == recipe['optimizer']
    assert (cfg.optim_wrapper.type == 'AmpOptimWrapper') == recipe['amp']
    assert step_schedule_values(cfg) == recipe['schedule']
    assert cfg.train_dataloader.batch_size == recipe['batch']['per_gpu']
    assert cfg.auto_scale_lr.base_batch_size == recipe['batch']['total']
    assert cfg.test_evaluator.metric == 'bbox'
    readme = (ROOT / own.config).parent / 'README.md'
    assert 'no experiments of the paper' in readme.read_text()


def test_parameters_are_the_published_ones(entry, cfg):
    recipe, _ = recipe_of(entry)
    detector = build_detector(cfg)
    parameters = sum(p.numel() for p in detector.parameters())
    assert parameters == pytest.approx(
        recipe['published']['Parameters'], rel=0.01
    )


def test_only_norms_of_the_backbone_escape_weight_decay():
    cfg = Config.fromfile(
        ROOT / 'configs/detection/mask_rcnn'
        '/mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'
    )
    detector = build_detector(cfg)
    # The AMP wrapper refuses to start without an accelerator; the groups are
    # made by the constructor that both wrappers share.
    cfg.optim_wrapper.type = 'OptimWrapper'
    with DefaultScope.overwrite_default_scope('mmdet'):
        optimizer = build_optim_wrapper(detector, cfg.optim_wrapper).optimizer
    decay = {
        id(p): group['weight_decay']
        for group in optimizer.param_groups
        for p in group['params']
    }
    for name, parameter in detector.named_parameters():
        is_norm = name.startswith('backbone.') and 'norm' in name
        assert decay[id(parameter)] == (0.0 if is_norm else 0.05), name
