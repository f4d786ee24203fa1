"""Where a run goes on that its launcher has started again."""

import os
import time

import pytest
import torch
from mmengine.config import Config

from mmuniformer.engine import prepare
from mmuniformer.engine.prepare import go_on_after_restart
from mmuniformer.engine.runner import runner_of

BEGIN = 1000.0


@pytest.fixture
def saved(tmp_path):
    """Writes a checkpoint into the work dir."""

    def save(name: str, when: float) -> str:
        path = tmp_path / name
        meta = dict(epoch=0, iter=int(name.split('_')[1].split('.')[0]))
        content = dict(state_dict={}, optimizer={}, message_hub={}, meta=meta)
        torch.save(content, path)
        os.utime(path, (when, when))
        return str(path)

    return save


@pytest.fixture
def config(tmp_path):
    return Config(dict(work_dir=str(tmp_path)))


@pytest.fixture(autouse=True)
def restart(monkeypatch):
    monkeypatch.setenv('MMUNIFORMER_RESTARTS', '2')
    monkeypatch.setenv('MMUNIFORMER_STARTED', str(BEGIN))


def test_the_newest_of_this_run(config, saved):
    saved('iter_900.pth', BEGIN - 5)
    newest = saved('iter_20.pth', BEGIN + 5)
    saved('iter_10.pth', BEGIN + 1)
    (note,) = go_on_after_restart(config)
    assert (config.resume, config.load_from) == (True, newest)
    assert note.startswith('Restart 2 of this run: it goes on from ')


def test_nothing_of_this_run(config, saved):
    saved('iter_900.pth', BEGIN - 5)
    (note,) = go_on_after_restart(config)
    assert 'resume' not in config
    assert 'saved nothing yet' in note


def test_a_file_server_whose_clock_is_behind(config, saved, monkeypatch):
    behind = 3600
    monkeypatch.setattr(prepare, 'now_in', lambda _: time.time() - behind)
    saved('iter_900.pth', BEGIN - behind - 5)
    own = saved('iter_10.pth', BEGIN - behind + 5)
    go_on_after_restart(config)
    assert config.load_from == own


def test_a_run_that_was_resumed(config, saved):
    """Its newest file may be one of those before it."""
    newest = saved('iter_900.pth', BEGIN - 5)
    config.resume, config.load_from = True, None
    go_on_after_restart(config)
    assert config.load_from == newest


def test_a_run_that_went_back(config, saved):
    first = saved('iter_10.pth', BEGIN - 9)
    saved('iter_900.pth', BEGIN - 5)
    config.resume, config.load_from = True, first
    go_on_after_restart(config)
    assert config.load_from == first


def test_no_restart(config, saved, monkeypatch):
    saved('iter_20.pth', BEGIN + 5)
    monkeypatch.setenv('MMUNIFORMER_RESTARTS', '0')
    assert go_on_after_restart(config) == []
    assert 'resume' not in config
    # torchrun itself, whose count has no time.
    monkeypatch.delenv('MMUNIFORMER_RESTARTS')
    monkeypatch.delenv('MMUNIFORMER_STARTED')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    assert len(go_on_after_restart(config)) == 1
    assert config.resume


def test_an_error_of_a_data_set_is_not_worth_a_restart(tmp_path, monkeypatch):
    """It comes after the model is built and before the first hook."""
    monkeypatch.setenv('MMUNIFORMER_ANSWERS', str(tmp_path))
    cfg = Config(
        dict(
            model=dict(type='mmuniformer.UniFormer', arch='small'),
            work_dir=str(tmp_path / 'run'),
            default_scope='mmengine',
        )
    )
    with runner_of(cfg):
        answer = tmp_path / str(os.getpid())
        # Known, without a step, and with hours to read in.
        assert answer.read_bytes() == b''
        assert answer.stat().st_mtime > time.time() + 3600
