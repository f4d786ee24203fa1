"""Twenty configs of the five libraries, swapped, written, read and trained.

Of each, the leaf means what was meant and the model makes a step in which
every parameter gets a gradient; `make test-slow` trains them on two processes.
tools/analysis_tools/dropin_matrix.py does that with more: see docs/dropin.md.
"""

import cv2
import pytest
import torch
from dropin.proof import prove

from mmuniformer.apis.swapping import check_leaf, read_host
from mmuniformer.dropin import leaf_text, swap
from mmuniformer.dropin.samples import draw
from mmuniformer.dropin.swap import KEYS
from mmuniformer.dropin.trial import build_model, losses, side_of

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 48, 64), head_dim=16)
POSE = 'mmpose::body_2d_keypoint/'
VIDEO = 'mmaction::recognition/'
# Kinds: what reads the maps, and how.
CONFIGS = [
    # Skipped levels; a neck for each; a reversed list; SSD's passed levels.
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    'mmdet::yolof/yolof_r50-c5_8xb8-1x_coco.py',
    'mmdet::yolo/yolov3_d53_8xb8-320-273e_coco.py',
    'mmdet::ssd/ssd300_coco.py',
    'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
    'mmdet::detr/detr_r50_8xb2-150e_coco.py',
    'mmdet::solov2/solov2_r50_fpn_1x_coco.py',
    # Dilations, two heads, concatenated levels, a map beside, no neck.
    'mmseg::pspnet/pspnet_r50-d8_4xb4-80k_ade20k-512x512.py',
    'mmseg::ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py',
    'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py',
    'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
    'mmseg::vit/vit_deit-b16_upernet_8xb2-80k_ade20k-512x512.py',
    # A fine map, a vector of all levels, coordinates.
    POSE + 'topdown_heatmap/coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py',
    POSE + 'simcc/coco/simcc_res50_8xb32-140e_coco-384x288.py',
    POSE + 'topdown_regression/coco/td-reg_res50_8xb64-210e_coco-256x192.py',
    # Clips, frames, two pathways.
    VIDEO + 'i3d/i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e_'
    'kinetics400-rgb.py',
    VIDEO + 'tsn/tsn_imagenet-pretrained-r50_8xb32-1x1x8-50e_sthv2-rgb.py',
    VIDEO + 'slowfast/slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb.py',
    # A pooling neck, a class token.
    'mmpretrain::resnet/resnet50_8xb8_cub.py',
    'mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py',
]


each_config = pytest.mark.parametrize(
    'name', CONFIGS, ids=lambda name: name.split('/')[-1][:24]
)


@each_config
def test_a_config_trains_with_the_backbone_swapped(name, tmp_path):
    host, _ = read_host(name)
    swapped = swap(host, checkpoint='', arch=TINY)
    path = tmp_path / 'leaf.py'
    text = leaf_text(name, host, swapped.cfg, KEYS, [], None, lazy=False)
    check_leaf(text, path, swapped)
    model = build_model(swapped.cfg)
    side = side_of(swapped.cfg)
    told = losses(model, swapped.cfg, [draw(0, side), draw(1, side)])
    told['loss'].backward()
    assert torch.isfinite(told['loss'])
    missing = [
        name
        for name, parameter in model.backbone.named_parameters()
        if parameter.grad is None
    ]
    assert not missing


@pytest.mark.slow
@each_config
def test_a_config_trains_on_two_processes(name, tmp_path):
    image = tmp_path / 'picture.png'
    cv2.imwrite(str(image), draw(0, 128).image)
    told = prove(name, str(image), tmp_path / 'work', control=False)
    assert told['step'] == 'passed', told
    assert len(told['losses']) == 2
