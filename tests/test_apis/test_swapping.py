"""A host's config with UniFormer in it, as a file."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmuniformer.apis import swap_backbone
from mmuniformer.errors import UserError

RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
LEAF = """\
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)
pretrained = 'mine.pth'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='base',
        stage3='hybrid',
        out_indices=(1, 2, 3),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[128, 320, 512], start_level=0),
)
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='AdamW',
        lr=0.0001,
        betas=(0.9, 0.999),
        weight_decay=0.05,
    ),
    paramwise_cfg=dict(
        custom_keys=dict(norm=dict(decay_mult=0.0)),
        bypass_duplicate=True,
    ),
)
"""
# A pure Python config, with BGR and a spread of 1.
HOST = """
from mmdet.models import FCOS, FPN, DetDataPreprocessor, FCOSHead, ResNet
from torch.optim import SGD

default_scope = 'mmdet'
model = dict(
    type=FCOS,
    data_preprocessor=dict(
        type=DetDataPreprocessor,
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
    ),
    backbone=dict(type=ResNet, depth=18),
    neck=dict(
        type=FPN,
        in_channels=[64, 128, 256, 512],
        out_channels=32,
        start_level=1,
        add_extra_convs='on_output',
        num_outs=5,
    ),
    bbox_head=dict(
        type=FCOSHead, num_classes=6, in_channels=32, feat_channels=32
    ),
    test_cfg=dict(nms_pre=100, score_thr=0.1, max_per_img=10),
)
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.01))
param_scheduler = [dict(type='MultiStepLR', milestones=[8, 11])]
"""


def test_the_result_is_what_one_would_write(tmp_path, capsys):
    out = tmp_path / 'mine.py'
    swap_backbone(
        RETINANET,
        str(out),
        checkpoint='mine.pth',
        build=False,
        arch='base',
        stage3='hybrid',
    )
    assert out.read_text() == LEAF
    assert "instead of the host's SGD at 0.01" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ['mine.py']


def test_a_pure_python_config_stays_one(tmp_path, capfd):
    (tmp_path / 'host.py').write_text(HOST)
    out = tmp_path / 'mine.py'
    arch = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 48, 64), head_dim=16)
    swap_backbone(str(tmp_path / 'host.py'), str(out), arch=arch)
    text = out.read_text()
    assert 'from .host import *' in text
    # Nothing of the libraries' drowns what is said.
    said = ''.join(capfd.readouterr())
    assert 'warning: optimizer' in said
    assert 'init_weights' not in said
    assert 'from mmuniformer.models import UniFormer\n' in text
    assert '_base_' not in text
    cfg = Config.fromfile(out)
    assert cfg.model.backbone.type.__name__ == 'UniFormer'
    assert cfg.model.neck.in_channels == [32, 48, 64]
    assert cfg.model.neck.start_level == 0
    assert cfg.model.data_preprocessor.bgr_to_rgb is True
    assert cfg.param_scheduler[1].milestones == [8, 11]


@pytest.mark.parametrize(
    ('config', 'why'),
    [
        ('mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py', 'decoder'),
        (
            'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py',
            'hides patches',
        ),
        (
            'mmpose::body_3d_keypoint/video_pose_lift/h36m/'
            'video-pose-lift_tcn-27frm-supv_8xb128-160e_h36m.py',
            'joints',
        ),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(tmp_path, config, why):
    out = tmp_path / 'mine.py'
    with pytest.raises(UserError, match=why) as told:
        swap_backbone(config, str(out))
    assert '\n' not in str(told.value)
    assert not out.exists()


def test_mistakes_of_the_command_line(tmp_path: Path):
    with pytest.raises(UserError, match='Python file'):
        swap_backbone(RETINANET, 'mine.txt')
    with pytest.raises(UserError, match='does not exist'):
        swap_backbone('nothing.py', str(tmp_path / 'mine.py'))


@pytest.mark.parametrize(
    ('base', 'model'),
    [
        # What is asked for its arguments before anything is built.
        (RETINANET, "data_preprocessor=dict(type='Mine')"),
        (
            'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
            'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py',
            "head=dict(type='Mine')",
        ),
    ],
)
def test_a_part_that_nobody_has_registered_is_named(tmp_path, base, model):
    host = tmp_path / 'host.py'
    host.write_text(f'_base_ = {base!r}\nmodel = dict({model})\n')
    with pytest.raises(UserError, match='Mine is in no registry: install'):
        swap_backbone(str(host), str(tmp_path / 'mine.py'))


def test_what_it_inherits_is_not_written_over(tmp_path):
    host = tmp_path / 'host.py'
    text = f'_base_ = {RETINANET!r}\nmodel = dict(backbone=dict(depth=18))\n'
    host.write_text(text)
    with pytest.raises(UserError, match='give -o another name'):
        swap_backbone(str(host), str(host), build=False)
    assert host.read_text() == text
    assert list(tmp_path.iterdir()) == [host]
