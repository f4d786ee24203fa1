"""Image backbones of other libraries in two-dimensional recognizers."""

import pytest
import torch

import mmuniformer  # noqa: F401
from mmuniformer import compat

pytest.importorskip('mmaction')
pytest.importorskip('mmaction.models')
ARCH = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
BACKBONE = dict(type='mmuniformer.UniFormer', arch=ARCH)
SEGMENTS = 4
HEADS = {
    'TSN': dict(
        type='TSNHead',
        spatial_type='avg',
        consensus=dict(type='AvgConsensus', dim=1),
    ),
    'TSM': dict(type='TSMHead', num_segments=SEGMENTS, is_shift=True),
    'TRN': dict(
        type='TRNHead',
        num_segments=SEGMENTS,
        spatial_type='avg',
        relation_type='TRNMultiScale',
        hidden_dim=16,
    ),
}


def recognizer(backbone=BACKBONE, head=HEADS['TSN'], **more):
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    register_all_modules()
    head = {'in_channels': 64, 'num_classes': 3, **head}
    head['average_clips'] = 'prob'
    return MODELS.build(
        dict(type='Recognizer2D', backbone=backbone, cls_head=head, **more)
    )


def samples(count):
    from mmaction.structures import ActionDataSample

    return [ActionDataSample().set_gt_label(i % 3) for i in range(count)]


@pytest.mark.parametrize('out_indices', [(3,), (0, 1, 2, 3)], ids=str)
@pytest.mark.parametrize('name', HEADS)
def test_heads_get_the_last_map(name, out_indices):
    model = recognizer(dict(BACKBONE, out_indices=out_indices), HEADS[name])
    images = torch.rand(2, SEGMENTS, 3, 64, 64)
    losses = model(images, samples(2), mode='loss')
    losses['loss_cls'].backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    with torch.no_grad():
        told = model(images, samples(2), mode='predict')
        maps = model.backbone.__class__.forward(
            model.backbone, images.flatten(0, 1)
        )
        scores = model.cls_head(maps[-1], SEGMENTS)
    assert len(told) == 2
    own = scores.unflatten(0, (2, -1)).softmax(2).mean(1)
    for sample, score in zip(told, own, strict=True):
        assert sample.pred_score.sum() == pytest.approx(1, abs=1e-5)
        if name == 'TSN':
            torch.testing.assert_close(sample.pred_score, score)


def test_a_neck_gets_all_maps():
    neck = dict(
        type='TPN',
        in_channels=(32, 64),
        out_channels=64,
        spatial_modulation_cfg=dict(in_channels=(32, 64), out_channels=64),
        temporal_modulation_cfg=dict(downsample_scales=(SEGMENTS,) * 2),
        upsample_cfg=dict(scale_factor=(1, 1, 1)),
        downsample_cfg=dict(downsample_scale=(1, 1, 1)),
        level_fusion_cfg=dict(
            in_channels=(64, 64),
            mid_channels=(64, 64),
            out_channels=64,
            downsample_scales=((1, 1, 1), (1, 1, 1)),
        ),
    )
    # The width of the neck's output, whatever goes in.
    head = dict(type='TPNHead', in_channels=2048, spatial_type='avg')
    model = recognizer(
        dict(BACKBONE, out_indices=(2, 3)),
        head,
        neck=neck,
        test_cfg=dict(fcn_test=True, num_segs=SEGMENTS),
    )
    images = torch.rand(2, SEGMENTS, 3, 64, 64)
    model(images, samples(2), mode='loss')['loss_cls'].backward()
    with torch.no_grad():
        told = model.eval()(images, samples(2), mode='predict')
    assert told[0].pred_score.shape == (3,)


def test_a_head_of_sounds_gets_the_last_map():
    from mmaction.registry import MODELS

    recognizer()
    model = MODELS.build(
        dict(
            type='RecognizerAudio',
            backbone=dict(BACKBONE, in_channels=1),
            cls_head=dict(type='TSNAudioHead', in_channels=64, num_classes=3),
        )
    )
    spectrograms = torch.rand(2, 1, 1, 64, 80)
    losses = model(spectrograms, samples(2), mode='loss')
    losses['loss_cls'].backward()
    assert all(p.grad is not None for p in model.parameters())


def test_own_backbones_are_left_alone():
    own = recognizer(
        dict(type='ResNet', depth=18, norm_eval=False),
        dict(HEADS['TSN']),
    )
    assert not own.backbone._forward_hooks
    other = recognizer()
    assert len(other.backbone._forward_hooks) == 1


def test_status_names_it():
    (row,) = [r for r in compat.status() if r.name.endswith('Recognizer2D')]
    assert row.state == 'active'
