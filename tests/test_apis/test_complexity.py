"""tools/analysis_tools/get_flops.py: the published numbers, exactly."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmuniformer.analysis import inference
from mmuniformer.analysis.complexity import measure, measure_config
from mmuniformer.apis import get_flops
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError
from mmuniformer.models import UniFormer

DETECTION = Path(__file__).parents[2] / 'configs' / 'detection'
MASK_RCNN = DETECTION / 'mask_rcnn'
CASCADE = DETECTION / 'cascade_mask_rcnn'
HEIGHT, WIDTH = 800, 1280
# What follows a backbone at 800 x 1280, measured on the official models:
# 170.07 G of multiply-accumulates in Mask R-CNN.
MASK_RCNN_HEADS = 170_072_560_640
NECK_AND_RPN = 102_782_448_640
CASCADE_ROI_HEAD = 545_842_176_000


TINY = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=8)


def config(scope: str, model: dict) -> Config:
    init_default_scope(scope)
    return Config(dict(default_scope=scope, model=model))


class TestConvention:
    def test_each_kind_of_operator(self):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 8, 3, padding=1, groups=1)
                self.norm = nn.BatchNorm2d(8)
                self.linear = nn.Linear(8, 8)
                self.layer_norm = nn.LayerNorm(8)

            def forward(self, x):
                x = self.norm(self.conv(x))
                x = nn.functional.interpolate(x, scale_factor=2)
                x = self.layer_norm(x.flatten(2).transpose(1, 2))
                x = self.linear(x)[:, None]
                return nn.functional.scaled_dot_product_attention(x, x, x)

        complexity = measure(Model(), (3, 4, 4))
        pixels, tokens = 4 * 4, 8 * 8
        assert complexity.model.flops == {
            'conv': pixels * 3 * 8 * 9,
            'linear': tokens * 8 * 8,
            'attention': 2 * tokens * tokens * 8,
            'norm': 2 * pixels * 8 + 5 * tokens * 8,
        }
        assert complexity.model.params == 3 * 8 * 9 + 8 + 16 + 64 + 8 + 16

    def test_backbone_at_256x192(self):
        complexity = measure(UniFormer('small'), (3, 256, 192))
        assert complexity.model.params == 21_033_280
        assert complexity.model.flops == {
            'conv': 1_016_832_000,
            'linear': 2_340_421_632,
            'attention': 195_821_568,
            'norm': 13_393_920,
        }

    @pytest.mark.parametrize(
        ('stage3', 'linear', 'attention'),
        [
            ('window', 6_419_382_272, 822_591_488),
            ('hybrid', 6_131_023_872, 864_780_288),
        ],
    )
    def test_windows_at_384x288(self, stage3, linear, attention):
        backbone = UniFormer('small', stage3=stage3)
        flops = measure(backbone, (3, 384, 288)).model.flops
        assert flops['linear'] == linear
        assert flops['attention'] == attention


class TestDetectors:
    @pytest.fixture(autouse=True)
    def mmdet(self):
        pytest.importorskip('mmdet')

    def test_mask_rcnn_as_published(self):
        cfg = load_config(
            MASK_RCNN / 'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'
        )
        complexity = measure_config(cfg, (HEIGHT, WIDTH))
        assert complexity.model.params == 41_200_688  # published: 41 M
        assert complexity.model.total == 269_116_953_600  # 269 G
        parts = {part.name: part.total for part in complexity.parts}
        assert list(parts) == ['backbone', 'neck', 'rpn_head', 'roi_head']
        assert sum(parts.values()) == complexity.model.total
        assert complexity.model.total - parts['backbone'] == MASK_RCNN_HEADS
        assert parts['neck'] + parts['rpn_head'] == NECK_AND_RPN

    def test_cascade_runs_each_stage_on_all_boxes(self, monkeypatch):
        part = 100
        monkeypatch.setattr(inference, 'BOXES', inference.BOXES // part)
        monkeypatch.setattr(inference, 'MASKS', inference.MASKS // part)
        name = (
            'cascade-mask-rcnn_uniformer-s-h14_fpn_4conv1fc-giou_amp-ms-crop'
            '-3x_coco.py'
        )
        complexity = measure_config(load_config(CASCADE / name), (64, 64))
        assert complexity.model.params == 79_035_890  # published: 79 M
        parts = {part.name: part.total for part in complexity.parts}
        assert parts['roi_head'] * part == CASCADE_ROI_HEAD

    def test_count_does_not_depend_on_weights_or_boxes(self, monkeypatch):
        monkeypatch.setattr(inference, 'BOXES', 10)
        monkeypatch.setattr(inference, 'MASKS', 1)
        cfg = load_config(
            MASK_RCNN / 'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py',
            {'model.test_cfg.rpn.max_per_img': 7},
        )
        totals = set()
        for seed in range(2):
            torch.manual_seed(seed)
            totals.add(measure_config(cfg, (64, 64)).model.total)
        assert len(totals) == 1

    def test_single_stage(self):
        model = dict(
            type='RetinaNet',
            backbone=dict(type='mmuniformer.UniFormer', arch=TINY),
            neck=dict(
                type='FPN',
                in_channels=[8, 16, 32, 32],
                out_channels=8,
                num_outs=5,
            ),
            bbox_head=dict(
                type='RetinaHead',
                num_classes=2,
                in_channels=8,
                feat_channels=8,
            ),
        )
        complexity = measure_config(config('mmdet', model), (64, 64))
        assert [p.name for p in complexity.parts] == [
            'backbone',
            'neck',
            'bbox_head',
        ]
        assert all(p.total > 0 for p in complexity.parts)


class TestOtherLibraries:
    def test_auxiliary_head_of_a_segmentor_costs_nothing(self):
        pytest.importorskip('mmseg')
        head = dict(
            channels=8, num_classes=3, norm_cfg=dict(type='BN'), in_index=3
        )
        model = dict(
            type='EncoderDecoder',
            backbone=dict(type='mmuniformer.UniFormer', arch=TINY),
            decode_head=dict(type='FCNHead', in_channels=32, **head),
            auxiliary_head=dict(type='FCNHead', in_channels=32, **head),
        )
        complexity = measure_config(config('mmseg', model), (64, 64))
        backbone, decode_head, auxiliary_head = complexity.parts
        assert decode_head.total > 0
        assert auxiliary_head.total == 0
        assert auxiliary_head.params == decode_head.params
        assert complexity.model.total == backbone.total + decode_head.total

    def test_pose_estimator(self):
        pytest.importorskip('mmpose')
        model = dict(
            type='TopdownPoseEstimator',
            backbone=dict(
                type='mmuniformer.UniFormer', arch=TINY, out_indices=(3,)
            ),
            head=dict(
                type='HeatmapHead',
                in_channels=32,
                out_channels=17,
                deconv_out_channels=(8,),
                deconv_kernel_sizes=(4,),
                loss=dict(type='KeypointMSELoss'),
            ),
        )
        complexity = measure_config(config('mmpose', model), (64, 64))
        head = complexity.parts[1]
        assert head.name == 'head'
        # Deconvolution to 4 x 4 from 2 x 2, then 1 x 1.
        assert head.flops['conv'] == 2 * 2 * 32 * 8 * 16 + 4 * 4 * 8 * 17

    def test_classifier(self):
        pytest.importorskip('mmpretrain')
        model = dict(
            type='ImageClassifier',
            backbone=dict(
                type='mmuniformer.UniFormer', arch=TINY, out_indices=(3,)
            ),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=32),
        )
        complexity = measure_config(config('mmpretrain', model), (64, 64))
        assert complexity.parts[-1].flops['linear'] == 32 * 10


class TestCommand:
    @pytest.fixture
    def path(self, tmp_path) -> str:
        path = tmp_path / 'model.py'
        path.write_text(
            "custom_imports = dict(imports=['mmuniformer'])\n"
            "model = dict(type='mmuniformer.UniFormer', arch="
            f'{TINY})\n'
        )
        return str(path)

    def test_table_and_file_agree(self, path, tmp_path, capsys):
        out = tmp_path / 'out' / 'flops.json'
        complexity = get_flops(path, [64], depth=2, out=str(out))
        table = capsys.readouterr().out
        written = json.loads(out.read_text())
        assert written['flops'] == complexity.model.total > 0
        assert written['params'] == complexity.model.params
        assert written['shape'] == [3, 64, 64]
        assert 'blocks3' in table
        assert f'{complexity.model.params / 1e6:.2f}' in table
        assert any(p['name'] == 'patch_embed1.proj' for p in written['parts'])

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(shape=[1, 2, 3, 4]), '--shape takes'),
            (dict(shape=[0, 5]), '--shape takes'),
            (dict(shape=[8, 8]), '--shape 8 8: .*too small'),
            (dict(shape=[64], depth=0), '--depth must be at least 1'),
        ],
    )
    def test_mistakes(self, path, arguments, message):
        with pytest.raises(UserError, match=message):
            get_flops(path, **arguments)
