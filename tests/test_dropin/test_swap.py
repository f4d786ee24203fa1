"""Backbones in configs whose readers are of a kind of their own."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmuniformer.apis.swapping import read_host
from mmuniformer.dropin import swap
from mmuniformer.dropin.levels import Tied
from mmuniformer.errors import UserError

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 48, 64), head_dim=16)


def swapped_model(name: str) -> dict:
    return swap(read_host(name)[0], checkpoint='', arch=TINY).cfg.model


def test_stdcs_paths_are_built_around_ours():
    model = swapped_model('mmseg::stdc/stdc1_4xb12-80k_cityscapes-512x1024.py')
    path = model.backbone
    assert path.type == 'STDCContextPathNet'
    assert path.backbone_cfg.to_dict() == dict(
        type='mmuniformer.UniFormer', arch=TINY, out_indices=(1, 2, 3)
    )
    assert path.last_in_channels == (64, 48)
    # 128 of its own and, of stride 8, 32 instead of 256.
    assert path.ffm_cfg.in_channels == 128 + 32
    assert model.decode_head.in_channels == 256
    heads = {head.in_index: head for head in model.auxiliary_head}
    assert heads[0].in_channels == 32
    assert heads[1].in_channels == heads[2].in_channels == 128


def test_bisenets_context_path_is_built_around_ours():
    told = swap(
        read_host(
            'mmseg::bisenetv1/bisenetv1_r50-d32_4xb4-160k_cityscapes-'
            '1024x1024.py'
        )[0],
        checkpoint='',
        arch=TINY,
    )
    model = told.cfg.model
    path = model.backbone
    assert path.type == 'BiSeNetV1'
    assert path.backbone_cfg.to_dict() == dict(
        type='mmuniformer.UniFormer', arch=TINY
    )
    # Of strides 16 and 32; what is fused has the channels of the former.
    assert path.context_channels == (24, 48, 64)
    assert path.spatial_channels == (256, 256, 256, 24)
    assert model.decode_head.in_channels == path.out_channels == 1024
    assert [head.in_channels for head in model.auxiliary_head] == [24, 24]
    cfg = told.cfg.copy()
    cfg.model.data_preprocessor.size = (64, 64)
    init_default_scope('mmseg')
    net = MODELS.build(cfg.model)
    maps = net.eval().extract_feat(torch.zeros(1, 3, 64, 64))
    assert [each.shape[1] for each in maps] == [1024, 24, 24]


def test_acrn_reads_an_actor_beside_the_whole_picture():
    model = swapped_model(
        'mmaction::detection/acrn/slowfast-acrn_kinetics400-pretrained-r50_'
        '8xb8-8x8x1-cosine-10e_ava21-rgb.py'
    )
    shared = model.roi_head.shared_head
    # Both pathways have stride 16.
    assert model.backbone.out_indices == (2,)
    assert (shared.in_channels, shared.out_channels) == (96, 48)
    assert model.roi_head.bbox_head.in_channels == 48


def config(backbone: dict, **model) -> Config:
    scope = backbone['type'].partition('.')[0]
    return Config(
        dict(default_scope=scope, model=dict(backbone=backbone, **model))
    )


def test_a_head_of_maps_stands_for_one_of_tokens():
    backbone = dict(
        type='mmaction.MViT',
        arch=dict(
            embed_dims=16, num_layers=1, num_heads=1, downscale_indices=[]
        ),
        spatial_size=64,
        temporal_size=8,
    )
    head = dict(
        type='MViTHead', in_channels=16, num_classes=5, label_smooth_eps=0.1
    )
    cfg = config(backbone, type='Recognizer3D', cls_head=head)
    told = swap(cfg, checkpoint='', arch=TINY)
    assert told.cfg.model.cls_head == dict(
        head, type='I3DHead', in_channels=64
    )
    assert any('I3DHead' in note for note in told.notes)


def test_dpt_reads_tokens_beside_its_maps():
    backbone = dict(
        type='mmseg.VisionTransformer',
        img_size=(32, 32),
        embed_dims=16,
        num_layers=2,
        num_heads=2,
        out_indices=(0, 1),
        output_cls_token=True,
    )
    head = dict(type='DPTHead', in_channels=(16, 16))
    cfg = config(backbone, type='EncoderDecoder', decode_head=head)
    with pytest.raises(Tied, match=r'token beside each map\. Start from u'):
        swap(cfg, arch=TINY)


VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(embed_dims=8, num_layers=2, num_heads=1, feedforward_channels=8),
    img_size=32,
)


def test_an_installed_config_that_cannot_be_imported_is_refused():
    name = (
        'mmpose::body_2d_keypoint/edpose/coco/'
        'edpose_res50_8xb2-50e_coco-800x1333.py'
    )
    with pytest.raises(UserError, match=r'pure Python.* Clone its'):
        read_host(name)


def test_pictures_of_one_channel_stay_so():
    told = swap(
        read_host('mmpretrain::lenet/lenet5_mnist.py')[0], '', arch=TINY
    )
    cfg = told.cfg
    assert cfg.model.backbone.in_channels == 1
    # Its last layer is the backbone's.
    assert cfg.model.head.type == 'LinearClsHead'
    assert (cfg.model.head.num_classes, cfg.model.head.in_channels) == (10, 64)
    assert cfg.data_preprocessor.mean == [33.46]


def test_a_pooling_of_tokens_becomes_one_of_maps():
    model = swapped_model(
        'mmpretrain::mlp_mixer/mlp-mixer-base-p16_64xb64_in1k.py'
    )
    assert model.backbone.out_indices == (3,)
    assert model.neck == dict(type='GlobalAveragePooling', dim=2)
    assert model.head.in_channels == 64


def test_scores_beside_nothing_are_scores():
    model = swapped_model(
        'mmpretrain::inception_v3/inception-v3_8xb32_in1k.py'
    )
    assert model.neck == dict(type='GlobalAveragePooling')
    assert model.head.in_channels == 64


@pytest.mark.parametrize(
    ('neck', 'becomes'),
    [
        (
            dict(type='ClsBatchNormNeck', input_features=8),
            [
                dict(type='GlobalAveragePooling'),
                dict(type='ClsBatchNormNeck', input_features=64),
            ],
        ),
        (
            dict(
                type='NonLinearNeck',
                in_channels=8,
                hid_channels=4,
                out_channels=4,
                with_avg_pool=False,
            ),
            dict(
                type='NonLinearNeck',
                in_channels=64,
                hid_channels=4,
                out_channels=4,
                with_avg_pool=True,
            ),
        ),
    ],
)
def test_a_neck_of_vectors_gets_those_of_our_map(neck, becomes):
    head = dict(type='LinearClsHead', num_classes=2, in_channels=8)
    cfg = config(VIT, type='ImageClassifier', neck=neck, head=head)
    model = swap(cfg, checkpoint='', arch=TINY).cfg.model
    assert model.to_dict()['neck'] == becomes
    assert model.head.in_channels == 64


@pytest.mark.parametrize(('frozen', 'stages'), [(2, 4), (1, None)])
def test_a_probe_of_a_frozen_backbone_stays_one(frozen, stages):
    head = dict(type='LinearClsHead', num_classes=2, in_channels=8)
    backbone = dict(VIT, frozen_stages=frozen)
    cfg = config(backbone, type='ImageClassifier', head=head)
    sgd = dict(type='SGD', lr=0.1)
    cfg.optim_wrapper = dict(optimizer=sgd)
    told = swap(cfg, checkpoint='', arch=TINY)
    assert told.cfg.model.backbone.get('frozen_stages') == stages
    assert any('frozen as a whole' in n for n in told.notes) == bool(stages)
    assert (told.cfg.optim_wrapper.optimizer == sgd) == bool(stages)


@pytest.mark.parametrize('package', ['timm.swin_base', 'mmcls.ResNeXt'])
def test_one_map_stands_for_backbones_of_other_packages(package):
    cfg = Config(
        dict(
            default_scope='mmaction',
            model=dict(
                type='Recognizer2D',
                backbone=dict(type=package),
                cls_head=dict(type='TSNHead', in_channels=1024),
            ),
        )
    )
    model = swap(cfg, checkpoint='', arch=TINY).cfg.model
    assert model.backbone.out_indices == (3,)
    assert model.cls_head.in_channels == 64


def test_a_type_that_is_not_registered_is_named():
    cfg = config(dict(type='mmdet.MyNet'), type='RetinaNet')
    with pytest.raises(Tied, match=r'mmdet\.MyNet is in no registry'):
        swap(cfg, checkpoint='', arch=TINY)


RESNET = dict(type='mmdet.ResNet', depth=18)


@pytest.mark.parametrize(
    ('option', 'why'),
    [
        (dict(out_indices=(0, 1)), 'out_indices is no option here'),
        (dict(init_cfg=None), '--checkpoint'),
        (dict(stage4='hybrid'), 'no argument stage4'),
    ],
)
def test_options_that_would_go_under_are_refused(option, why):
    cfg = config(dict(RESNET), type='RetinaNet')
    with pytest.raises(Tied, match=why):
        swap(cfg, checkpoint='', arch=TINY, **option)


def test_clips_have_no_attention_in_windows():
    cfg = config(dict(type='mmaction.ResNet3dSlowOnly'), type='Recognizer3D')
    with pytest.raises(
        Tied, match='UniFormer3D, which has no argument stage3'
    ):
        swap(cfg, checkpoint='', arch=TINY, stage3='hybrid')


def test_the_library_is_that_of_the_models_type():
    cfg = Config(dict(model=dict(type='mmdet.Detector', backbone=RESNET)))
    told = swap(cfg, checkpoint='', arch=TINY)
    assert told.cfg.default_scope == 'mmdet'
    assert any("default_scope: 'mmdet'" in line for line in told.warnings)


@pytest.mark.parametrize(
    ('backbone', 'model', 'kind'),
    [
        (RESNET, 'RetinaNet', 'UniFormerLight'),
        (
            dict(type='mmaction.ResNet3dSlowOnly'),
            'Recognizer3D',
            'UniFormerLight3D',
        ),
    ],
)
def test_a_light_arch_is_of_the_light_backbone(backbone, model, kind):
    told = swap(config(dict(backbone), type=model), checkpoint='', arch='xxs')
    ours = told.cfg.model.backbone
    assert ours.type == f'mmuniformer.{kind}'
    assert ours.arch == 'xxs'
    with pytest.raises(Tied, match=f'{kind}, which has no argument stage3'):
        swap(
            config(dict(backbone), type=model),
            checkpoint='',
            arch='xxs',
            stage3='hybrid',
        )


HRNET = dict(
    type='mmpose.HRNet',
    extra=dict(
        stage1=dict(
            num_modules=1,
            num_branches=1,
            block='BOTTLENECK',
            num_blocks=(1,),
            num_channels=(16,),
        ),
        **{
            f'stage{n}': dict(
                num_modules=1,
                num_branches=n,
                block='BASIC',
                num_blocks=(1,) * n,
                num_channels=tuple(8 * 2**i for i in range(n)),
            )
            for n in (2, 3, 4)
        },
    ),
)


def test_a_fine_map_that_is_pooled_is_our_last_one():
    cfg = config(
        HRNET,
        type='TopdownPoseEstimator',
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='RegressionHead', in_channels=8, num_joints=3),
    )
    told = swap(cfg, checkpoint='', arch=TINY)
    assert told.cfg.model.backbone.out_indices == (3,)
    assert told.cfg.model.head.in_channels == 64
    assert 'strides 32 instead of 4' in told.notes[0]


def test_a_head_of_a_fine_map_does_not_read_our_first_stage():
    cfg = config(
        HRNET,
        type='TopdownPoseEstimator',
        head=dict(type='mmpose.RTMCCHead', in_channels=8, out_channels=3),
    )
    with pytest.raises(Tied, match='one map of stride 4'):
        swap(cfg, checkpoint='', arch=TINY)


def test_one_dilated_map_of_mmseg_is_our_last_one():
    resnet = dict(
        type='mmseg.ResNetV1c',
        depth=18,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
    )
    cfg = config(
        resnet,
        type='EncoderDecoder',
        decode_head=dict(type='FCNHead', in_channels=512, in_index=0),
    )
    told = swap(cfg, checkpoint='', arch=TINY)
    assert told.cfg.model.backbone.out_indices == (3,)
    assert told.cfg.model.decode_head.in_channels == 64
    assert 'strides 32 instead of 8' in told.notes[0]
