"""The file that a run starts from or goes on from, as a config names it."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmuniformer.apis import train
from mmuniformer.checks.checkpoints import (
    check_leftovers,
    check_start,
    check_training_state,
    newest_checkpoint,
)
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


class TestNewest:
    """The one of the highest step, whatever the clock and the pointer say."""

    @staticmethod
    def save(folder: Path, name: str, step: int, value: float = 1.0) -> Path:
        content = dict(
            state_dict=dict(w=torch.tensor([value])),
            optimizer={},
            message_hub={},
            meta=dict(iter=step),
        )
        torch.save(content, folder / name)
        return folder / name

    @staticmethod
    def point(folder: Path, name: str | Path) -> None:
        (folder / 'last_checkpoint').write_text(str(folder / name))

    def test_files_that_were_copied_in_another_order(self, tmp_path):
        for epoch in (10, 9, 2):
            self.save(tmp_path, f'epoch_{epoch}.pth', 100 * epoch)
        self.point(tmp_path, 'epoch_10.pth')
        path, findings = newest_checkpoint(tmp_path)
        assert path == str(tmp_path / 'epoch_10.pth')
        assert not findings

    def test_epochs_and_iterations_are_compared(self, tmp_path):
        self.save(tmp_path, 'epoch_3.pth', 300)
        later = self.save(tmp_path, 'iter_350.pth', 350)
        self.save(tmp_path, 'iter_250.pth', 250)
        self.point(tmp_path, 'iter_350.pth')
        assert newest_checkpoint(tmp_path) == (str(later), [])
        later = self.save(tmp_path, 'epoch_4.pth', 400)
        self.point(tmp_path, 'epoch_4.pth')
        assert newest_checkpoint(tmp_path) == (str(later), [])

    @pytest.mark.parametrize(
        ('pointer', 'why'),
        [
            ('epoch_1.pth', 'names epoch_1.pth, which is behind it'),
            ('epoch_5.pth', 'names epoch_5.pth, which does not exist'),
            ('', 'does not exist'),
        ],
    )
    def test_a_stale_pointer_is_said(self, tmp_path, pointer, why):
        for epoch in (1, 2):
            self.save(tmp_path, f'epoch_{epoch}.pth', epoch)
        (tmp_path / 'last_checkpoint').write_text(pointer)
        path, (finding,) = newest_checkpoint(tmp_path)
        assert path == str(tmp_path / 'epoch_2.pth')
        assert finding.level == 'warning'
        assert why in str(finding)

    def test_weights_that_are_not_finite_are_passed_over(self, tmp_path):
        good = self.save(tmp_path, 'iter_1.pth', 1)
        self.save(tmp_path, 'iter_2.pth', 2, value=torch.nan)
        self.point(tmp_path, 'iter_2.pth')
        path, (finding,) = newest_checkpoint(tmp_path)
        assert path == str(good)
        assert 'iter_2.pth: 1 tensors hold numbers that are not finite' in (
            str(finding)
        )

    def test_checkpoints_elsewhere(self, tmp_path):
        """By the pointer, unless the folder has some itself."""
        work_dir, saved = tmp_path / 'run', tmp_path / 'saved'
        work_dir.mkdir()
        saved.mkdir()
        for epoch in (1, 2):
            self.save(saved, f'epoch_{epoch}.pth', epoch)
        self.point(work_dir, saved / 'epoch_2.pth')
        assert newest_checkpoint(work_dir) == (str(saved / 'epoch_2.pth'), [])
        own = self.save(work_dir, 'epoch_1.pth', 1)
        assert newest_checkpoint(work_dir)[0] == str(own)

    @pytest.mark.parametrize('since', [0, 1])
    def test_a_link_to_what_is_gone(self, tmp_path, since):
        there = self.save(tmp_path, 'iter_1.pth', 1)
        (tmp_path / 'iter_2.pth').symlink_to(tmp_path / 'gone.pth')
        path, findings = newest_checkpoint(tmp_path, since)
        assert path == str(there)
        # What is too old is not looked at.
        told = ['iter_2.pth does not exist' in str(f) for f in findings]
        assert told == ([True] if not since else [])

    def test_another_name(self, tmp_path):
        named = self.save(tmp_path, 'state.pth', 5)
        self.point(tmp_path, 'state.pth')
        assert newest_checkpoint(tmp_path) == (str(named), [])
        self.save(tmp_path, 'iter_4.pth', 4)
        assert newest_checkpoint(tmp_path) == (str(named), [])

    def test_a_run_that_begins_among_others(self, tmp_path):
        self.save(tmp_path, 'epoch_9.pth', 9)
        cfg = Config(dict(resume=True, work_dir=str(tmp_path)))
        assert not list(check_leftovers(cfg))
        cfg.resume = False
        (finding,) = check_leftovers(cfg)
        assert 'has checkpoints of another run (epoch_9.pth)' in str(finding)
        cfg.work_dir = str(tmp_path / 'new')
        assert not list(check_leftovers(cfg))

    def test_a_run_that_goes_back(self, tmp_path):
        first = self.save(tmp_path, 'epoch_1.pth', 10)
        newest = self.save(tmp_path, 'epoch_2.pth', 20)
        cfg = Config(dict(resume=True, work_dir=str(tmp_path)))
        cfg.load_from = str(newest)
        assert not list(check_leftovers(cfg))
        cfg.load_from = str(first)
        (finding,) = check_leftovers(cfg)
        assert finding.level == 'warning'
        assert f'goes on from {first} (iteration 10)' in str(finding)
        assert 'has epoch_2.pth (iteration 20)' in str(finding)
        cfg.work_dir = str(tmp_path / 'new')
        assert not list(check_leftovers(cfg))


def test_nothing_yet_is_a_note(tmp_path):
    cfg = Config(dict(resume=True, work_dir=str(tmp_path)))
    assert not list(check_start(cfg))
    (note,) = prepare(cfg)
    assert 'starts from the beginning' in note
    # mmengine would look again.
    assert not cfg.resume


def test_a_pointer_to_nothing_is_said(toy_config, tmp_path):
    """A disk may not be there; the run starts, and says from where."""
    folder = tmp_path / 'run'
    folder.mkdir()
    pointer = folder / 'last_checkpoint'
    pointer.write_text(str(tmp_path / 'gone' / 'epoch_5.pth'))
    cfg = Config(dict(resume=True, work_dir=str(folder)))
    (finding,) = check_start(cfg)
    assert finding.level == 'warning'
    assert 'epoch_5.pth, which does not exist' in str(finding)
    options = {'train_cfg.max_epochs': 1}
    train(toy_config, work_dir=str(folder), resume='auto', cfg_options=options)
    assert (folder / 'epoch_1.pth').is_file()
    log = next(folder.rglob('*.log')).read_text()
    assert 'epoch_5.pth, which does not exist' in log


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
