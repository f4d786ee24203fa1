"""No alarm about the configs of this package, and of the libraries."""

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.classes import check_classes

ROOT = Path(__file__).parents[2]
# The first of each folder: the others have its data and its heads.
OWN = {
    file.parent: file
    for file in sorted((ROOT / 'configs').rglob('*.py'), reverse=True)
    if '_base_' not in file.parts
}
# One for each kind of head, and of data, whose numbers need thought.
THEIRS = {
    'mmdet': [
        'rpn/rpn_r50_fpn_1x_coco',
        'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco',
        'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco',
        'ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco',
        'point_rend/point-rend_r50-caffe_fpn_ms-1x_coco',
        'htc/htc_r50_fpn_1x_coco',
        'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco',
        'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1',
        'objects365/faster-rcnn_r50_fpn_16xb4-1x_objects365v1',
        'openimages/retinanet_r50_fpn_32xb2-1x_openimages',
        'glip/odinw/glip_atss_swin-t_a_fpn_dyhead_pretrain_odinw35',
        'mm_grounding_dino/coco/'
        'grounding_dino_swin-t_finetune_16xb4_1x_coco_48_17',
        'bytetrack/'
        'bytetrack_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-'
        'mot17halfval',
        'pascal_voc/faster-rcnn_r50_fpn_1x_voc0712',
        'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-'
        'coco',
        'yolact/yolact_r50_1xb8-55e_coco',
        'reid/reid_r50_8xb32-6e_mot17train80_test-mot17val20',
        'v3det/fcos_r50_fpn_8x4_sample1e-3_mstrain_v3det_2x',
        'seesaw_loss/mask-rcnn_r50_fpn_seesaw-loss_random-ms-2x_lvis-v1',
    ],
    'mmseg': [
        'pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024',
        'stdc/stdc1_4xb12-80k_cityscapes-512x1024',
        'unet/unet-s5-d16_fcn_4xb4-40k_chase-db1-128x128',
        'mask2former/mask2former_r50_8xb2-160k_ade20k-512x512',
        'maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512',
        'san/san-vit-b16_coco-stuff164k-640x640',
        'vpd/vpd_sd_4xb8-25k_nyu-480x480',
    ],
    'mmpretrain': [
        'resnet/resnet50_8xb16_cifar100',
        'resnet/resnet50_8xb256-rsb-a1-600e_in1k',
        'simclr/simclr_resnet50_16xb256-coslr-200e_in1k',
        'mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k',
        'arcface/resnet50-arcface_8xb32_inshop',
        'csra/resnet101-csra_1xb16_voc07-448px',
        'clip/clip_vit-base-p16_zeroshot-cls_in1k',
    ],
    'mmaction': [
        'recognition/mvit/mvit-small-p244_32xb16-16x4x1-200e_kinetics400-rgb',
        'detection/slowfast/slowfast_kinetics400-pretrained-r50_8xb16-4x16x1-'
        '8e_multisports-rgb',
        'detection/slowonly/slowonly_k700-pre-r50_8xb8-8x8x1-10e_ava-'
        'kinetics-rgb',
        'skeleton/posec3d/rgbpose_conv3d/rgbpose_conv3d',
    ],
}


def looked_at(file: Path, host: str) -> list[str]:
    """Findings about numbers and lists; no data set is there."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        cfg = Config.fromfile(file)
    init_default_scope(cfg.get('default_scope') or host)
    return [str(f) for f in check_classes(cfg, ('train', 'val', 'test'))]


@pytest.mark.parametrize('file', OWN.values(), ids=lambda file: file.stem)
def test_own_configs(file):
    scope = {'detection': 'mmdet', 'segmentation': 'mmseg', 'pose': 'mmpose'}
    host = scope.get(file.relative_to(ROOT).parts[1], 'mmaction')
    pytest.importorskip(host)
    assert looked_at(file, host) == []


@pytest.mark.parametrize(
    ('host', 'name'), [(h, name) for h, names in THEIRS.items()
                       for name in names]
)  # fmt: skip
def test_configs_of_the_libraries(host, name, caplog):
    pytest.importorskip(f'{host}.models')
    caplog.set_level(logging.CRITICAL)
    folder = Path(find_spec(host).origin).parent / '.mim' / 'configs'
    if not folder.is_dir():
        pytest.skip(f'{host} was installed without its configs')
    assert (folder / f'{name}.py').is_file()
    assert looked_at(folder / f'{name}.py', host) == []


def test_a_mistake_of_a_library_is_found():
    """Its mixing makes labels of 400 classes, its head has 174."""
    pytest.importorskip('mmaction.models')
    folder = Path(find_spec('mmaction').origin).parent / '.mim' / 'configs'
    file = folder / 'recognition/mvit/mvit-large-p244_u40_sthv2-rgb.py'
    if not file.is_file():
        pytest.skip('mmaction2 was installed without its configs')
    assert [t.partition(':')[0] for t in looked_at(file, 'mmaction')] == [
        'model.cls_head.num_classes is 174, and '
        f'model.data_preprocessor.blending.augments.{i}.num_classes is 400'
        for i in range(2)
    ]
