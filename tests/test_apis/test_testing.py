"""tools/test.py: metrics, predictions, pictures, augmentation."""

import json
import pickle

import cv2
import pytest
import torch
from mmengine.registry import MODELS

from mmuniformer.apis import test, train
from mmuniformer.datasets.shapes import generate
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError

TINY = dict(depths=(1, 1, 4, 1), embed_dims=(8, 16, 32, 32), head_dim=8)
DETECTION = """
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', pad_size_divisor=32, bgr_to_rgb=True
    ),
    backbone=dict(
        type='mmuniformer.UniFormer', arch={arch}, stage3='hybrid'
    ),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 32], out_channels=8, num_outs=5
    ),
    bbox_head=dict(
        type='RetinaHead',
        num_classes=6,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
    ),
    test_cfg=dict(
        nms_pre=50,
        score_thr=0.0,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=10,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root={root!r},
        ann_file='annotations/instances_val.json',
        metainfo=dict(classes=('a', 'b', 'c', 'd', 'e', 'f')),
        data_prefix=dict(img='images/val/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(64, 64)),
            dict(type='PackDetInputs'),
        ],
    ),
)
test_evaluator = dict(
    type='CocoMetric',
    ann_file={root!r} + '/annotations/instances_val.json',
    metric='bbox',
)
test_cfg = dict(type='TestLoop')
default_hooks = dict(visualization=dict(score_thr=0.0))
"""


class TestDetector:
    @pytest.fixture
    def config(self, tmp_path) -> str:
        pytest.importorskip('mmdet')
        root = tmp_path / 'shapes'
        generate(root, train=1, val=2, size=96)
        annotations = root / 'annotations' / 'instances_val.json'
        content = json.loads(annotations.read_text())
        for category, name in zip(
            content['categories'], 'abcdef', strict=True
        ):
            category['name'] = name
        annotations.write_text(json.dumps(content))
        path = tmp_path / f'{tmp_path.name}.py'
        path.write_text(DETECTION.format(arch=TINY, root=str(root)))
        return str(path)

    @pytest.fixture
    def checkpoint(self, config, tmp_path) -> str:
        model = MODELS.build(load_config(config).model)
        model.init_weights()
        path = tmp_path / 'model.pth'
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
        return str(path)

    @pytest.mark.parametrize('tta', [False, True])
    def test_files(self, config, checkpoint, tmp_path, tta, monkeypatch):
        monkeypatch.chdir(tmp_path)
        metrics = test(
            config,
            checkpoint,
            work_dir='work',
            out='predictions.pkl',
            show_dir='pictures',
            tta=tta,
        )
        written = json.loads((tmp_path / 'work/metrics.json').read_text())
        assert written == dict(
            config=config, checkpoint=checkpoint, metrics=metrics, samples=2
        )
        assert 'coco/bbox_mAP_50' in metrics
        predictions = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
        assert len(predictions) == 2
        assert predictions[0]['pred_instances']['bboxes'].shape[1] == 4
        # Right in the folder that was named, one for each image.
        pictures = sorted((tmp_path / 'pictures').iterdir())
        assert [p.suffix for p in pictures] == ['.jpg', '.jpg']
        assert cv2.imread(str(pictures[0])).shape[0] == 96


class TestToy:
    def test_metrics_file(self, toy_config, tmp_path):
        options = {'train_cfg.max_epochs': 1}
        train(toy_config, work_dir=str(tmp_path / 'a'), cfg_options=options)
        checkpoint = str(tmp_path / 'a' / 'epoch_1.pth')
        metrics = test(toy_config, checkpoint, work_dir=str(tmp_path / 'b'))
        text = (tmp_path / 'b' / 'metrics.json').read_text()
        written = json.loads(text)['metrics']
        assert written['mean'] == metrics['mean']
        assert written['undefined'] is None

    def test_published_layouts_are_unwrapped(self, toy_config, tmp_path):
        state = {
            'linear.weight': torch.ones(1, 4),
            'linear.bias': torch.ones(1),
        }
        means = set()
        for number, content in enumerate(
            [dict(state_dict=state), dict(model=state), state]
        ):
            path = tmp_path / f'{number}.pth'
            torch.save(content, path)
            metrics = test(
                toy_config, str(path), work_dir=str(tmp_path / str(number))
            )
            means.add(metrics['mean'])
        assert means == {1 + 4 * sum(range(16)) / 16 / 16}

    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(out='x.txt'), r'x\.txt: the file must end in \.pkl'),
            (dict(tta=True), '--tta: the config has no tta_model'),
            (dict(show_dir='x'), '--show-dir needs a default_scope'),
            (dict(show=True), '--show needs a display'),
        ],
    )
    def test_mistakes(
        self, toy_config, tmp_path, arguments, message, monkeypatch
    ):
        monkeypatch.delenv('DISPLAY', raising=False)
        monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
        path = tmp_path / 'model.pth'
        torch.save({'linear.weight': torch.ones(1, 4)}, path)
        with pytest.raises(UserError, match=message):
            test(toy_config, str(path), work_dir=str(tmp_path), **arguments)
