"""Every segmentation config: one step of training, one of evaluation."""

import json
import math
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmuniformer import apis

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted((CONFIGS / 'segmentation').rglob('*.py'))
UPERNET = (
    'upernet/uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'
)
FPN = 'semantic_fpn/fpn_uniformer-s_8xb4-80k_ade20k-512x512.py'
RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def leaf(name: str) -> Config:
    return Config.fromfile(CONFIGS / 'segmentation' / name)


def build_segmentor(cfg: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_evaluates(path, reduced_segmentor, outcome):
    out = outcome(reduced_segmentor(Config.fromfile(path)))
    losses = {
        name: value
        for name, value in out.scalars.items()
        if name.startswith('train/') and 'loss' in name
    }
    heads = ['decode'] + ['aux'] * (path.parent.name == 'upernet')
    assert {f'train/{head}.loss_ce' for head in heads} <= set(losses)
    assert all(math.isfinite(v) and v > 0 for v in losses.values())
    assert out.unused == []
    assert out.changed
    assert 0 <= out.scalars['val/mIoU'] <= 100
    assert 0 <= out.metrics['mIoU'] <= 100


@pytest.mark.parametrize('name', [UPERNET, FPN])
def test_multi_scale_and_flip_test_runs(
    name, reduced_segmentor, tmp_path, monkeypatch
):
    cfg = reduced_segmentor(leaf(name))
    path, checkpoint = tmp_path / 'reduced.py', tmp_path / 'weights.pth'
    cfg.dump(path)
    segmentor = build_segmentor(cfg)
    torch.save({'state_dict': segmentor.state_dict()}, checkpoint)
    sizes = []
    predict = type(segmentor).predict

    def record(self, inputs, data_samples=None):
        sizes.append(tuple(inputs.shape[-2:]))
        return predict(self, inputs, data_samples)

    monkeypatch.setattr(type(segmentor), 'predict', record)
    metrics = apis.test(
        str(path), str(checkpoint), work_dir=str(tmp_path / 'work'), tta=True
    )
    # Two images, six scales each, and their mirror images.
    assert len(sizes) == 2 * 2 * len(RATIOS)
    assert len(set(sizes)) > 2
    assert 0 <= metrics['mIoU'] <= 100
    written = json.loads((tmp_path / 'work/metrics.json').read_text())
    assert written['metrics'] == pytest.approx(metrics)


@pytest.fixture(scope='module')
def photo(tmp_path_factory) -> Path:
    """A folder with one picture of 640 x 425 and its map."""
    import cv2
    import numpy as np

    root = tmp_path_factory.mktemp('photo')
    cv2.imwrite(str(root / 'a.jpg'), np.zeros((425, 640, 3), np.uint8))
    cv2.imwrite(str(root / 'a.png'), np.ones((425, 640), np.uint8))
    return root


def views(cfg: Config, pipeline: list, root: Path) -> list:
    """What a test pipeline makes of the picture."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(
            dict(
                type='ADE20KDataset',
                data_root=str(root),
                data_prefix=dict(img_path='', seg_map_path=''),
                pipeline=pipeline,
            )
        )
    view = dataset[0]
    inputs = view['inputs']
    return inputs if isinstance(inputs, list) else [inputs]


@pytest.mark.parametrize(('name', 'divisor'), [(UPERNET, 1), (FPN, 32)])
def test_images_are_tested_at_the_official_sizes(name, divisor, photo):
    cfg = leaf(name)

    def size(ratio: float) -> tuple[int, int]:
        # Into (2048, 512) times the ratio, then up to multiples.
        factor = min(2048 * ratio / 640, 512 * ratio / 425)
        sides = (int(side * factor + 0.5) for side in (425, 640))
        return tuple(-(-side // divisor) * divisor for side in sides)

    (image,) = views(cfg, cfg.test_dataloader.dataset.pipeline, photo)
    assert tuple(image.shape[-2:]) == size(1.0)
    images = views(cfg, cfg.tta_pipeline, photo)
    expected = [size(ratio) for ratio in RATIOS for _ in range(2)]
    assert sorted(tuple(i.shape[-2:]) for i in images) == sorted(expected)


@pytest.mark.parametrize('style', ['hybrid', 'window'])
def test_trained_global_and_tested_in_windows(style, reduced_segmentor):
    """One checkpoint, two styles of stage 3: the test leaf's idea."""
    test_name = UPERNET.replace('.py', f'_test-{style[0]}32.py')
    torch.manual_seed(0)
    trained = build_segmentor(reduced_segmentor(leaf(UPERNET)))
    tested = build_segmentor(reduced_segmentor(leaf(test_name)))
    built_cfg = reduced_segmentor(leaf(UPERNET))
    built_cfg.model.backbone.update(stage3=style, window_size=32)
    built = build_segmentor(built_cfg)
    for model in (tested, built):
        model.load_state_dict(trained.state_dict())
    # Stage 3 sees 36 x 40: two windows by two, of which three are padded.
    image = torch.rand(1, 3, 576, 640)
    with torch.no_grad():
        as_trained, as_tested, as_built = (
            model.eval().backbone(image) for model in (trained, tested, built)
        )
        trained_again = tested.train().backbone.eval()(image)
    for level in range(4):
        assert as_tested[level].equal(as_built[level])
        assert trained_again[level].equal(as_tested[level])
    assert as_tested[1].equal(as_trained[1])
    assert not as_tested[2].allclose(as_trained[2], atol=1e-3)
