"""Channels in necks and heads."""

from copy import deepcopy

import pytest
import torch
from mmengine.config import ConfigDict

from mmuniformer.dropin.levels import Tied
from mmuniformer.dropin.measuring import Level, build
from mmuniformer.dropin.places import Place, find_places
from mmuniformer.dropin.readers import (
    Channels,
    check_heatmaps,
    draw_corners,
    fit_readers,
    replace_channels,
    use_linear_head,
)

OLD, NEW = [256, 512, 1024, 2048], [64, 128, 320, 512]
LEVELS = [Level(c, 4 * 2**i) for i, c in enumerate(OLD)]


@pytest.mark.parametrize(
    ('value', 'index', 'became'),
    [
        (OLD, None, NEW),
        (OLD[::-1], None, NEW[::-1]),
        (tuple(OLD[2:]), None, tuple(NEW[2:])),
        ([512, 2048], [1, 3], [128, 512]),
        (1024, 2, 320),
        (2048, None, 512),
        (sum(OLD), None, sum(NEW)),
        # What reads something else stays.
        (300, None, 300),
        ([300, 2048], None, [300, 2048]),
        (True, None, True),
    ],
)
def test_what_a_number_becomes(value, index, became):
    assert Channels(OLD, NEW).of(value, index) == became


def test_of_equal_channels_the_index_counts_and_then_the_depth():
    same = Channels([768] * 4, NEW)
    assert same.of(768, 2) == 320
    assert same.of(768, None) == 512
    assert same.of(768, None, first=True) == 64


def test_what_reads_another_modules_maps_stays():
    # RTMO's projector and K-Net's updates have numbers of the backbone too.
    neck = dict(
        in_channels=[128, 256, 512], projector=dict(in_channels=[256, 256])
    )
    replace_channels(neck, Channels([128, 256, 512], NEW[1:]))
    assert neck['in_channels'] == NEW[1:]
    assert neck['projector']['in_channels'] == [256, 256]
    head = dict(
        kernel_generate_head=dict(in_channels=2048, in_index=3),
        kernel_update_head=[dict(in_channels=512)],
    )
    replace_channels(head, Channels(OLD, NEW))
    assert head['kernel_generate_head']['in_channels'] == 512
    assert head['kernel_update_head'] == [dict(in_channels=512)]


def place(**owner) -> Place:
    return Place('model.backbone', ConfigDict(backbone=dict(), **owner))


def test_levels_that_a_neck_skips_are_not_made():
    retinanet = place(
        neck=dict(type='FPN', in_channels=OLD, out_channels=8, start_level=1)
    )
    assert fit_readers(retinanet, LEVELS, (0, 1, 2, 3), NEW) == (1, 2, 3)
    assert retinanet.owner.neck.in_channels == NEW[1:]
    assert retinanet.owner.neck.start_level == 0


def test_heads_behind_a_neck_keep_the_necks_channels():
    owner = place(
        neck=dict(
            type='mmdet.FPN',
            in_channels=OLD,
            out_channels=256,
            num_outs=4,
        ),
        bbox_head=dict(in_channels=256),
    )
    fit_readers(owner, LEVELS, (0, 1, 2, 3), NEW)
    assert owner.owner.bbox_head.in_channels == 256


@pytest.mark.parametrize(
    'neck',
    [
        dict(type='mmpretrain.GlobalAveragePooling'),
        dict(type='mmpretrain.GlobalAveragePooling', dim=1),
        # Of re-identification, whose crops are twice as high as wide.
        dict(type='mmdet.GlobalAveragePooling', kernel_size=(8, 4), stride=1),
    ],
)
def test_a_neck_that_pools_passes_the_new_channels_on(neck):
    owner = place(neck=neck, head=dict(in_channels=2048))
    fit_readers(owner, LEVELS[3:], (3,), NEW[3:])
    assert owner.owner.head.in_channels == 512
    assert owner.owner.neck.get('dim', 2) == 2


def test_backbones_are_found_wherever_they_are():
    inner = dict(type='D', backbone=dict(type='ResNet'))
    model = ConfigDict(
        backbone=dict(type='ResNet'),
        detector=inner,
        parts=[inner],
        # A string is a name of a teacher's config.
        teacher=dict(backbone='path.py'),
    )
    assert [found.path for found in find_places(model)] == [
        'model.backbone',
        'model.detector.backbone',
        'model.parts.0.backbone',
    ]


def test_a_neck_that_gives_the_backbones_maps_beside_its_own():
    outs = (512, 1024, 512, 256)
    owner = place(
        neck=dict(
            type='mmdet.SSDNeck', in_channels=(512, 1024), out_channels=outs
        ),
        bbox_head=dict(in_channels=outs),
    )
    fit_readers(owner, [Level(512, 8), Level(1024, 16)], (1, 2), [128, 320])
    assert owner.owner.neck.in_channels == (128, 320)
    assert owner.owner.neck.out_channels == (128, 320, 512, 256)
    assert owner.owner.bbox_head.in_channels == (128, 320, 512, 256)


def test_a_neck_that_adds_up_maps_of_one_size_is_refused():
    owner = place(neck=dict(type='MLANeck', in_channels=[768] * 4))
    with pytest.raises(Tied, match='Start from'):
        fit_readers(owner, [Level(768, 16)] * 4, (0, 1, 2, 3), NEW)


@pytest.mark.parametrize(
    ('index', 'head', 'layers'),
    [
        # 16 / 4 is 4 pixels, from a stride of 32.
        (3, dict(), 3),
        (-1, dict(num_convs=4, up_scale=2), 5),
        (1, dict(num_convs=2, up_scale=4), 3),
        # Not coarser than it is.
        (0, dict(num_convs=1, up_scale=4), 1),
    ],
)
def test_heads_that_enlarge_maps_draw_as_fine_as_before(index, head, layers):
    node = dict(type='SETRUPHead', in_channels=768, in_index=index, **head)
    owner = place(decode_head=node)
    fit_readers(owner, [Level(768, 16)] * 4, (0, 1, 2, 3), NEW)
    changed = dict(in_channels=NEW[index], num_convs=layers, up_scale=2)
    assert owner.owner.decode_head == node | changed


def test_heads_of_scores_and_tokens_become_linear_ones():
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    vgg = dict(head=dict(type='MultiLabelClsHead', loss=loss))
    assert 'MultiLabelLinearClsHead' in use_linear_head(vgg, 20, 512)
    assert vgg['head'] == dict(
        type='MultiLabelLinearClsHead',
        num_classes=20,
        in_channels=512,
        loss=loss,
    )
    head = dict(type='ConformerHead', num_classes=9, in_channels=[1536, 576])
    conformer = dict(head=dict(head, cal_acc=False))
    use_linear_head(conformer, 576, 512)
    assert conformer['head'] == dict(
        type='LinearClsHead', num_classes=9, in_channels=512, cal_acc=False
    )
    own = dict(head=dict(type='VisionTransformerClsHead', in_channels=768))
    assert use_linear_head(own, 768, 512) == ''
    assert own['head']['in_channels'] == 768


def test_a_neck_that_counts_from_the_finest_level_gets_it():
    neck = dict(
        type='mmdet.NASFCOS_FPN',
        in_channels=OLD,
        out_channels=8,
        num_outs=5,
        start_level=1,
        add_extra_convs=True,
        norm_cfg=dict(type='BN'),
    )
    owner = place(neck=neck)
    assert fit_readers(owner, LEVELS, (0, 1, 2, 3), NEW) == (0, 1, 2, 3)
    assert owner.owner.neck == dict(neck, in_channels=NEW)


def test_a_head_of_corners_gets_the_map_of_deconvolutions():
    owner = dict(neck=None, bbox_head=dict(num_feat_levels=2, in_channels=256))
    assert draw_corners(owner, [Level(256, 4)] * 2, 512)
    assert owner['bbox_head'] == dict(num_feat_levels=1, in_channels=256)
    neck = build(dict(owner['neck'], type='mmdet.CTResNetNeck'))
    (drawn,) = neck([torch.zeros(1, 512, 2, 3)])
    # From stride 32 to 4.
    assert drawn.shape == (1, 256, 16, 24)


@pytest.mark.parametrize(
    'owner',
    [
        dict(neck=dict(type='FPN'), bbox_head=dict(num_feat_levels=2)),
        dict(bbox_head=dict(in_channels=256)),
        dict(head=dict(in_channels=256)),
    ],
)
def test_other_heads_of_a_fine_map_stay(owner):
    before = deepcopy(owner)
    assert not draw_corners(owner, [Level(256, 4)], 512)
    assert owner == before


def test_necks_are_followed_one_after_the_other():
    pooling = dict(type='mmpretrain.GlobalAveragePooling')
    linear = dict(
        type='mmpretrain.LinearNeck', in_channels=2048, out_channels=256
    )
    head = dict(type='LinearClsHead', in_channels=256)
    owner = dict(
        backbone=dict(), neck=[dict(pooling), dict(linear)], head=dict(head)
    )
    place = Place('model.backbone', owner)
    assert fit_readers(place, LEVELS[3:], (3,), [512]) == (3,)
    assert owner['neck'] == [pooling, dict(linear, in_channels=512)]
    assert owner['head'] == head
    # A pooling alone passes on what the backbone gives.
    owner = dict(
        backbone=dict(),
        neck=[dict(pooling)],
        head=dict(head, in_channels=2048),
    )
    fit_readers(Place('model.backbone', owner), LEVELS[3:], (3,), [512])
    assert owner['head']['in_channels'] == 512


def test_a_neck_behind_an_fpn_stays_and_levels_are_skipped():
    fpn = dict(
        type='mmdet.FPN',
        in_channels=list(OLD),
        out_channels=64,
        start_level=1,
        num_outs=5,
    )
    bfp = dict(type='mmdet.BFP', in_channels=64, num_levels=5)
    owner = dict(backbone=dict(), neck=[dict(fpn), dict(bfp)])
    place = Place('model.backbone', owner)
    assert fit_readers(place, LEVELS, (0, 1, 2, 3), NEW) == (1, 2, 3)
    assert owner['neck'] == [
        dict(fpn, in_channels=NEW[1:], start_level=0),
        bfp,
    ]


@pytest.mark.parametrize(('channels', 'first'), [(64, 32), (320, 160)])
def test_groups_divide_the_channels_that_are_read(channels, first):
    head = dict(
        type='mmpose.ViPNASHead',
        in_channels=160,
        deconv_num_groups=(160, 160, 160),
    )
    owner = place(head=head)
    fit_readers(owner, [Level(160, 32)], (3,), [channels])
    head = owner.owner['head']
    assert head['in_channels'] == channels
    assert head['deconv_num_groups'] == (first, 160, 160)


@pytest.mark.parametrize(
    ('size', 'deconvolutions', 'drawn'),
    [((48, 64), 3, None), ((40, 56), 3, '48 x 64'), ((48, 64), 2, '24 x 32')],
)
def test_heatmaps_are_of_the_size_of_their_targets(
    size, deconvolutions, drawn
):
    head = dict(
        type='mmpose.HeatmapHead',
        deconv_out_channels=(8,) * deconvolutions,
        decoder=dict(input_size=(192, 256), heatmap_size=size),
    )
    if drawn is None:
        check_heatmaps(dict(head=head))
        return
    with pytest.raises(Tied, match=f'UniFormer of {drawn}. Start'):
        check_heatmaps(dict(head=head))
