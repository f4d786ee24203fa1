"""Every detection config: one step of training, one of evaluation."""

import math
from pathlib import Path

import pytest
from mmengine import Config

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted((CONFIGS / 'detection').rglob('*.py'))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_evaluates(path, reduced, outcome):
    out = outcome(reduced(Config.fromfile(path)))
    assert math.isfinite(out.scalars['train/loss'])
    masks = 'mask' in path.stem
    mask_losses = [k for k in out.scalars if k.endswith('loss_mask')]
    assert bool(mask_losses) == masks
    assert all(out.scalars[key] > 0 for key in mask_losses)
    assert out.unused == []
    assert out.changed
    for kind in ('bbox', 'segm') if masks else ('bbox',):
        assert 0 <= out.scalars[f'val/coco/{kind}_mAP'] <= 1
        assert 0 <= out.metrics[f'coco/{kind}_mAP'] <= 1
