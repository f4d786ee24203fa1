"""mmengine's doors: init_detector and its kin, Inferencers, links."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from torch import nn

from mmuniformer import UniFormer
from mmuniformer.checkpoint import load_pretrained
from mmuniformer.errors import CheckpointError

ARCH = dict(depths=(1,) * 4, embed_dims=(8, 16, 32, 64), head_dim=8)


class Model(nn.Module):
    """What a host library's model is to a checkpoint."""

    def __init__(self, arch=ARCH):
        super().__init__()
        self.backbone = UniFormer(arch)
        self.head = nn.Linear(2, 2)


@pytest.fixture(scope='module')
def published():
    """An ImageNet file: no prefixes, no norms of outputs, a classifier."""
    state = UniFormer(ARCH).state_dict()
    state = {k: v for k, v in state.items() if not k.startswith('norm')}
    return {
        **state,
        'norm.weight': torch.ones(64),
        'head.weight': torch.ones(5),
    }


@pytest.mark.parametrize(
    'wrap',
    [
        lambda tensors: dict(model=tensors),
        lambda tensors: dict(state_dict=tensors),
        lambda tensors: tensors,
        lambda tensors: dict(
            model_state={f'module.{k}': v for k, v in tensors.items()}
        ),
        lambda tensors: dict(
            state_dict={f'backbone.{k}': v for k, v in tensors.items()}
        ),
        lambda tensors: dict(
            state_dict={
                f'module._orig_mod.backbone.{k}': v for k, v in tensors.items()
            }
        ),
    ],
)
def test_load_checkpoint_fills_the_backbone(published, tmp_path, wrap):
    path = tmp_path / 'file.pth'
    torch.save(wrap(published), path)
    model = Model()
    load_checkpoint(model, str(path), logger='silent')
    found = model.backbone.state_dict()
    for name, value in published.items():
        if name in found:
            assert found[name].equal(value), name


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            lambda t: {k: v for k, v in t.items() if 'blocks3' not in k},
            r'fills \d+ of \d+ parameters of backbone; not backbone\.blocks3',
        ),
        (lambda t: {'neck.weight': torch.ones(1)}, r'fills 0 of'),
        (
            lambda t: {**t, 'blocks3.0.norm1.weight': torch.ones(7)},
            r'not backbone\.blocks3\.0\.norm1\.weight',
        ),
        (
            lambda t: {
                **t,
                'blocks3.0.norm1.weight': torch.full((32,), float('nan')),
            },
            'not finite',
        ),
    ],
)
def test_no_backbone_stays_as_initialised(published, tmp_path, change, words):
    path = tmp_path / 'file.pth'
    torch.save(dict(model=change(published)), path)
    model = Model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(model, str(path), logger='silent')
    assert all(v.equal(before[k]) for k, v in model.state_dict().items())


def test_other_models_are_read_as_before(tmp_path):
    model = nn.Linear(2, 2)
    load_state_dict(model, {'weight': torch.ones(2, 2)}, logger='silent')
    assert model.weight.equal(torch.ones(2, 2))


def test_links_come_by_our_loader():
    loader = CheckpointLoader._get_checkpoint_loader('https://x/y.pth')
    assert loader.__module__ == 'mmuniformer.checkpoint.entries'


CONFIG = """
_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmuniformer'], allow_failed_imports=False)
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32),
    backbone=dict(type='mmuniformer.UniFormer', arch={arch}),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=5
    ),
    bbox_head=dict(
        type='RetinaHead', num_classes=2, in_channels=8, feat_channels=8,
        stacked_convs=1,
    ),
    test_cfg=dict(
        nms_pre=20, score_thr=0.0, max_per_img=5,
        nms=dict(type='nms', iou_threshold=0.5),
    ),
)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64)),
    dict(
        type='PackDetInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
test_dataloader = dict(
    dataset=dict(type='CocoDataset', pipeline=test_pipeline)
)
test_cfg = dict()
"""


class TestDetector:
    @pytest.fixture
    def config(self, tmp_path):
        pytest.importorskip('mmdet')
        path = tmp_path / 'det.py'
        path.write_text(CONFIG.format(arch=ARCH))
        return path

    @pytest.fixture
    def checkpoint(self, config, tmp_path):
        """Of a training: the whole detector, compiled, with its config."""
        cfg = Config.fromfile(config)
        with DefaultScope.overwrite_default_scope('mmdet'):
            model = MODELS.build(cfg.model)
        model.init_weights()
        path = tmp_path / 'det.pth'
        state = {f'_orig_mod.{k}': v for k, v in model.state_dict().items()}
        meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=('a', 'b')))
        torch.save(dict(state_dict=state, meta=meta), path)
        return path

    def test_init_detector_and_the_inferencer(self, config, checkpoint):
        from mmdet.apis import DetInferencer, inference_detector, init_detector

        image = np.random.default_rng(0).integers(
            0, 255, (64, 64, 3), np.uint8
        )
        detector = init_detector(str(config), str(checkpoint), device='cpu')
        found = inference_detector(detector, image).pred_instances.bboxes
        inferencer = DetInferencer(
            weights=str(checkpoint), device='cpu', show_progress=False
        )
        again = inferencer(image)['predictions'][0]['bboxes']
        assert len(again) > 0
        torch.testing.assert_close(found, torch.tensor(again))

    def test_they_refuse_alike(self, config, checkpoint, tmp_path):
        from mmdet.apis import DetInferencer, init_detector

        content = torch.load(checkpoint, weights_only=True)
        content['meta']['cfg'] += "\nx = __import__('os').mkdir('ran')"
        path = tmp_path / 'hostile.pth'
        torch.save(content, path)
        words = r'hostile\.pth was refused: the config text in it \(meta\.cfg'
        with pytest.raises(Exception, match=words):
            init_detector(str(config), str(path), device='cpu')
        with pytest.raises(Exception, match=words):
            DetInferencer(weights=str(path), device='cpu')


@pytest.mark.parametrize(
    'names', [['teacher.', 'student.'], ['encoder_q.', 'encoder_k.'], ['x.']]
)
def test_a_copy_of_the_model_in_the_file(names):
    right = Model()
    state = {}
    for number, name in enumerate(reversed(names)):
        for key, value in right.state_dict().items():
            last = number == len(names) - 1
            state[name + key] = value if last else value * 0 + 7
    model = Model()
    load_state_dict(model, state, logger='silent')
    for key, value in model.state_dict().items():
        assert torch.equal(value, right.state_dict()[key]), key


def test_a_tensor_as_large_as_a_file_says(tmp_path):
    model = Model()
    state = model.state_dict()
    state['backbone.patch_embed1.proj.weight'] = torch.zeros(1).expand(1 << 50)
    with pytest.raises(CheckpointError, match='fills 75 of 76'):
        load_state_dict(model, state, logger='silent')
    torch.save(state, tmp_path / 'large.pth')
    with pytest.raises(CheckpointError, match=r'large\.pth holds no UniForm'):
        load_pretrained(model.backbone, str(tmp_path / 'large.pth'))


def test_a_sparse_weight_is_no_weight():
    model = Model()
    state = model.state_dict()
    state['head.weight'] = state['head.weight'].to_sparse()
    with pytest.raises(CheckpointError, match=r'are sparse: head\.weight'):
        load_state_dict(model, state, logger='silent')


def test_a_number_for_a_name(tmp_path):
    path = str(tmp_path / 'numbered.pth')
    torch.save({'state_dict': {1: torch.ones(1)}}, path)
    with pytest.raises(pickle.UnpicklingError, match=r'ed\.pth .* int for a'):
        load_checkpoint(Model(), path, logger='silent')
