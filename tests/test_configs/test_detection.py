"""Every detection config: one step of training, one of evaluation."""

import math
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.runner import Runner

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted((CONFIGS / 'detection').rglob('*.py'))


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_trains_and_evaluates(path, reduced, unused_parameters):
    torch.manual_seed(0)
    runner = Runner.from_cfg(reduced(Config.fromfile(path)))
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    with unused_parameters(runner) as unused:
        runner.train()

    scalars = runner.message_hub.log_scalars
    assert math.isfinite(scalars['train/loss'].current())
    mask_losses = [k for k in scalars if k.endswith('loss_mask')]
    assert mask_losses
    assert all(scalars[key].current() > 0 for key in mask_losses)
    assert unused == []
    after = runner.model.state_dict()
    assert any(not after[k].equal(v) for k, v in before.items())

    for kind in ('bbox', 'segm'):
        assert 0 <= scalars[f'val/coco/{kind}_mAP'].current() <= 1
