"""Phases of a run that have some of their parts alone."""

import pytest
import torch
from mmengine.config import Config

from mmuniformer.apis import test as run_test
from mmuniformer.apis import train
from mmuniformer.checks.phases import check_phases
from mmuniformer.errors import UserError

WHOLE = dict(
    train_dataloader=dict(),
    train_cfg=dict(),
    optim_wrapper=dict(),
    param_scheduler=[],
    val_dataloader=dict(),
    val_cfg=dict(),
    val_evaluator=[],
)


def found(**keys) -> list[str]:
    cfg = Config(WHOLE | keys, cfg_text='# mine', filename='mine.py')
    return [str(finding) for finding in check_phases(cfg)]


def test_all_or_none():
    assert found() == []
    assert found(val_cfg=None, val_dataloader=None, val_evaluator=None) == []


def test_what_is_missing_is_named():
    (text,) = found(train_cfg=None)
    assert text == (
        'mine.py: train_dataloader and optim_wrapper without train_cfg; give '
        'it as well, or set train_dataloader and optim_wrapper to None: a run '
        'has all of them or none'
    )
    (text,) = found(test_cfg=dict())
    assert 'test_cfg without test_dataloader and test_evaluator' in text
    nothing = dict(train_dataloader=None, train_cfg=None, optim_wrapper=None)
    (text,) = found(**nothing)
    assert 'param_scheduler without optim_wrapper' in text
    assert found(**nothing, param_scheduler=None) == []


@pytest.mark.parametrize('key', ['train_cfg', 'optim_wrapper'])
def test_a_test_says_so(toy_config, tmp_path, key):
    weights = tmp_path / 'weights.pth'
    torch.save(dict(state_dict={'linear.bias': torch.ones(1)}), weights)
    with open(toy_config, 'a') as file:
        file.write(f'{key} = None\n')
    with pytest.raises(UserError, match=f'without {key}'):
        run_test(toy_config, str(weights), work_dir=str(tmp_path / 'run'))


def test_a_training_needs_no_validation_that_it_leaves_out(
    toy_config, tmp_path
):
    with open(toy_config, 'a') as file:
        file.write('val_evaluator = None\n')
    options = {'train_cfg.max_epochs': 1}
    work_dir = str(tmp_path / 'run')
    with pytest.raises(UserError, match='without val_evaluator'):
        train(toy_config, work_dir, cfg_options=options)
    train(toy_config, work_dir, cfg_options=options, no_validate=True)
