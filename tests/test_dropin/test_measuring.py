"""What backbones give, measured by running them."""

import mmaction.models  # noqa: F401
import pytest

from mmuniformer.compat import mmcv_ext
from mmuniformer.dropin.measuring import (
    Level,
    NotMeasured,
    arguments,
    is_frozen,
    measure_backbone,
)

VIT = dict(
    type='mmaction.VisionTransformer',
    img_size=32,
    embed_dims=16,
    depth=1,
    num_heads=2,
    return_feat_map=True,
)


def test_a_transformer_of_video_gets_its_number_of_frames():
    vit = dict(VIT, num_frames=16)
    assert measure_backbone(vit, 3, [(32, 32)]) == [Level(16, 16)]


@pytest.mark.skipif(
    mmcv_ext.status().state == 'not needed',
    reason='a compiled mmcv has no tin_shift on the CPU',
)
def test_one_clip_has_as_many_frames_as_the_backbone_says():
    # The number is its default.
    tin = dict(type='mmaction.ResNetTIN', depth=50, shift_div=4)
    assert measure_backbone(tin, 2) == [Level(2048, 32)]


def test_an_argument_without_a_default_may_name_weights():
    csn = dict(
        type='mmaction.ResNet3dCSN',
        depth=50,
        pretrained='no.pth',
        bottleneck_mode='ir',
    )
    assert measure_backbone(csn, 3) == [Level(2048, 32)]


def test_torchvisions_maps_are_those_that_mmaction2_reads():
    mobilenet = dict(type='torchvision.mobilenet_v2', pretrained=True)
    assert measure_backbone(mobilenet, 2) == [Level(1280, 32)]


@pytest.mark.parametrize('pretrained', [True, False])
def test_timms_weights_are_not_asked_for(pretrained):
    pytest.importorskip('timm')
    backbone = dict(
        type='mmpretrain.TIMMBackbone',
        model_name='test_resnet',
        features_only=True,
        pretrained=pretrained,
    )
    strides = [level.stride for level in measure_backbone(backbone, 2)]
    assert strides == [2, 4, 8, 16, 32]


def test_a_frozen_part_is_not_all():
    resnet = dict(type='mmpretrain.ResNet', depth=18)
    assert is_frozen(dict(resnet, frozen_stages=4))
    assert not is_frozen(dict(resnet, frozen_stages=3))
    assert not is_frozen(resnet)


def test_tokens_are_taken_as_a_map():
    former = dict(type='mmpretrain.EfficientFormer', arch='l1')
    assert measure_backbone(former, 2) == [Level(448, 32)]


def test_what_cannot_be_built_is_said():
    with pytest.raises(NotMeasured, match='cannot be built'):
        measure_backbone(dict(type='mmaction.ResNet', depth=7), 2)


def test_a_class_has_its_own_arguments_first():
    known = list(arguments(dict(type='mmpretrain.SelfSupDataPreprocessor')))
    assert known.index('to_rgb') < known.index('bgr_to_rgb')
