"""The file that a run starts from or goes on from, as a config names it."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmuniformer.checks.checkpoints import check_start
from mmuniformer.engine.prepare import prepare


@pytest.fixture
def work_dir(tmp_path) -> Path:
    content = dict(state_dict={}, optimizer={}, message_hub={}, meta={})
    for epoch in (1, 2):
        torch.save(content, tmp_path / f'epoch_{epoch}.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    return tmp_path


@pytest.mark.parametrize('load_from', [None, 'auto'])
def test_resuming_alone_takes_the_newest(work_dir, load_from):
    cfg = Config(
        dict(resume=True, load_from=load_from, work_dir=str(work_dir))
    )
    assert not list(check_start(cfg))
    assert prepare(cfg) == []
    assert cfg.load_from == str(work_dir / 'epoch_2.pth')


def test_a_damaged_newest_is_passed_over_with_a_warning(work_dir):
    newest = work_dir / 'epoch_2.pth'
    newest.write_bytes(newest.read_bytes()[:-30])
    cfg = Config(dict(resume=True, work_dir=str(work_dir)))
    (finding,) = check_start(cfg)
    assert finding.level == 'warning'
    assert finding.file == str(newest)
    prepare(cfg)
    assert cfg.load_from == str(work_dir / 'epoch_1.pth')


def test_nothing_yet_is_a_note(tmp_path):
    cfg = Config(dict(resume=True, work_dir=str(tmp_path)))
    assert not list(check_start(cfg))
    (note,) = prepare(cfg)
    assert 'starts from the beginning' in note


def test_links_are_looked_at_when_they_are_read():
    cfg = Config(dict(load_from='https://example.org/a.pth'))
    assert not list(check_start(cfg))
