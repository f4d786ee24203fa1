"""The file that a run starts from or goes on from, as a config names it."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmuniformer.apis import train
from mmuniformer.checks.checkpoints import check_start, check_training_state
from mmuniformer.engine.prepare import prepare
from mmuniformer.errors import UserError


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


KINDS = {
    'SGD': dict(lr=0.1),
    'AdamW': dict(lr=0.1),
    'Adam': dict(lr=0.1),
    'RMSprop': dict(lr=0.1),
    'Adagrad': dict(lr=0.1),
    'Adadelta': dict(lr=0.1),
}
# The same state, and one that is used in another way.
ALIKE = {('Adam', 'AdamW'), ('AdamW', 'Adam')}


class TestTrainingState:
    @staticmethod
    def findings(kind: str, wanted: str, stored: int = 2, schedules: int = 2):
        parameters = [torch.nn.Parameter(torch.ones(1))]
        optimizer = getattr(torch.optim, kind)(parameters, lr=0.1)
        content = dict(
            optimizer=optimizer.state_dict(), param_schedulers=[{}] * stored
        )
        cfg = Config(
            dict(
                optim_wrapper=dict(optimizer=dict(type=wanted, lr=0.1)),
                param_scheduler=[dict(type='LinearLR')] * schedules,
            )
        )
        return list(check_training_state(content, cfg, 'epoch_1.pth'))

    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('wanted', KINDS)
    def test_another_optimizer_is_named(self, kind, wanted):
        found = self.findings(kind, wanted)
        if kind == wanted or (kind, wanted) in ALIKE:
            assert not found
        else:
            (finding,) = found
            assert f'{wanted} of the config' in str(finding)
            assert finding.entry == 'optim_wrapper.optimizer'

    def test_other_schedules(self):
        (finding,) = self.findings('SGD', 'SGD', stored=1, schedules=3)
        assert 'it has 1 schedules, and the config 3' in str(finding)

    def test_a_run_does_not_begin(self, toy_config, tmp_path):
        """The command that would go on with the momentum of another one."""
        options = {'train_cfg.max_epochs': 1}
        train(toy_config, work_dir=str(tmp_path / 'a'), cfg_options=options)
        options = {
            'optim_wrapper.optimizer._delete_': True,
            'optim_wrapper.optimizer.type': 'AdamW',
            'optim_wrapper.optimizer.lr': 0.1,
        }
        first = tmp_path / 'a' / 'epoch_1.pth'
        words = 'its optimizer has momentum, and'
        for folder, resume in (('b', str(first)), ('a', 'auto')):
            with pytest.raises(UserError, match=words):
                train(
                    toy_config,
                    work_dir=str(tmp_path / folder),
                    resume=resume,
                    cfg_options=options,
                )
        assert list(tmp_path.rglob('*.pth')) == [first]
