"""What saving removes: old checkpoints of the run, and nothing else."""

from pathlib import Path

import pytest
import torch

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checks.checkpoints import newest_checkpoint
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.hooks.checkpoints import _DeferredRemoval
from mmuniformer.errors import CheckpointError


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / 'run'
    folder.mkdir()
    return folder


def removed(folder: Path, path: Path) -> bool:
    backend = _DeferredRemoval(AtomicLocalBackend(), str(folder))
    backend.remove(str(path))
    backend.remove_now(keep=set())
    return not path.exists()


@pytest.mark.parametrize(
    'name', ['epoch_3.pth', 'iter_100.pth', 'best_coco_bbox_mAP_epoch_2.pth']
)
def test_checkpoints_of_the_run(folder, name):
    (folder / name).write_text('')
    assert removed(folder, folder / name)


@pytest.mark.parametrize(
    'name',
    [
        '../epoch_3.pth',
        '../run2/best_x.pth',
        'notes.txt',
        'thesis.pth',
        'sub/epoch_3.pth',
        'best_.pth',
    ],
)
def test_other_files(folder, name):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('')
    assert not removed(folder, path)


def test_other_folders_and_links(folder, tmp_path):
    victim = tmp_path / 'victim'
    victim.mkdir()
    (victim / 'thesis.txt').write_text('')
    assert not removed(folder, victim)
    link = folder / 'best_link.pth'
    link.symlink_to(victim)
    assert not removed(folder, link)
    (tmp_path / 'linked').symlink_to(folder)
    (folder / 'epoch_1.pth').write_text('')
    assert removed(tmp_path / 'linked', folder / 'epoch_1.pth')
    assert (victim / 'thesis.txt').exists()


def test_files_of_another_template(toy_config, tmp_path):
    """They are kept and removed by their number, and found to go on."""
    folder = tmp_path / 'run'
    options = {
        'default_hooks.checkpoint.filename_tmpl': 'a+{:02d}.pth',
        'default_hooks.checkpoint.max_keep_ckpts': 2,
        'train_cfg.max_epochs': 3,
    }
    train(toy_config, work_dir=str(folder), cfg_options=options)
    names = ['a+02.pth', 'a+03.pth']
    assert sorted(p.name for p in folder.glob('*.pth')) == names
    newest = folder / names[1]
    newest.write_bytes(newest.read_bytes()[:-30])
    assert newest_checkpoint(folder)[0] == str(folder / names[0])
    train(toy_config, work_dir=str(folder), cfg_options=options, resume='auto')
    assert sorted(p.name for p in folder.glob('*.pth')) == names
    assert read_checkpoint(str(newest))['meta']['epoch'] == 3


def test_a_mask_that_is_infinite(toy_config, tmp_path):
    """A file of such a model is resumed from, and loaded."""
    folder = tmp_path / 'run'
    options = {
        'model.mask': True,
        'train_cfg.max_epochs': 1,
        'custom_hooks': [dict(type='EMAHook')],
    }
    train(toy_config, work_dir=str(folder), cfg_options=options)
    options['train_cfg.max_epochs'] = 2
    train(toy_config, work_dir=str(folder), cfg_options=options, resume='auto')
    last = str(folder / 'epoch_2.pth')
    content = read_checkpoint(last)
    assert content['meta']['iter'] == 16
    assert content['state_dict']['mask'].isinf().sum() == 3
    options['load_from'] = last
    train(toy_config, work_dir=str(tmp_path / 'next'), cfg_options=options)
    # Another number than the mask's own is still one too many.
    content['state_dict']['mask'][0, 0] = torch.nan
    torch.save(content, last)
    with pytest.raises(CheckpointError, match='not finite: mask'):
        train(toy_config, work_dir=str(tmp_path / 'c'), cfg_options=options)
    content['state_dict']['linear.bias'].fill_(torch.nan)
    torch.save(content, last)
    path, (finding,) = newest_checkpoint(folder)
    assert path == str(folder / 'epoch_1.pth')
    assert '(linear.bias)' in str(finding)


def test_a_resumed_file_names_others(toy_config, tmp_path, capfd):
    options = {
        'default_hooks.checkpoint.save_best': 'mean',
        'default_hooks.checkpoint.rule': 'greater',
        'train_cfg.val_interval': 1,
        'train_cfg.max_epochs': 2,
    }
    train(toy_config, work_dir=str(tmp_path / 'a'), cfg_options=options)
    first = tmp_path / 'a' / 'epoch_1.pth'
    content = torch.load(first, weights_only=False)
    victims = [tmp_path / name for name in ('folder', 'epoch_9.pth')]
    victims[0].mkdir()
    victims[1].write_text('')
    info = content['message_hub']['runtime_info']
    for victim in victims:
        info.update(
            best_ckpt=str(victim),
            best_score=-1e9,
            keep_ckpt_ids=['9/../../../epoch_9', 1],
        )
        content['message_hub']['resumed_keys'].update(
            best_ckpt=True, best_score=True, keep_ckpt_ids=True
        )
        torch.save(content, tmp_path / 'file.pth')
        train(
            toy_config,
            work_dir=str(tmp_path / 'b'),
            resume=str(tmp_path / 'file.pth'),
            cfg_options=options,
        )
        assert victim.exists()
        said = ''.join(capfd.readouterr())
        assert f'{victim} is named by the checkpoint' in said


class TestTheBestOne:
    def run(
        self,
        config: str,
        folder: Path,
        epochs: int,
        rule: str = 'greater',
        **keys,
    ) -> dict:
        """Trains; gives what the last checkpoint knows of the best one."""
        options = {
            'default_hooks.checkpoint.save_best': 'mean',
            'default_hooks.checkpoint.rule': rule,
            'train_cfg.val_interval': 1,
            'train_cfg.max_epochs': epochs,
        }
        train(config, work_dir=str(folder), cfg_options=options, **keys)
        content = read_checkpoint(str(folder / f'epoch_{epochs}.pth'))
        return content['message_hub']['runtime_info']

    @pytest.mark.parametrize('rule', ['greater', 'less'])
    def test_it_was_removed(self, toy_config, tmp_path, capfd, rule):
        """Also where no later one is better than it was."""
        folder = tmp_path / 'run'
        best = Path(self.run(toy_config, folder, 1, rule)['best_ckpt'])
        best.unlink()
        info = self.run(toy_config, folder, 2, rule, resume='auto')
        assert info['best_ckpt'] == str(folder / 'best_mean_epoch_2.pth')
        assert Path(info['best_ckpt']).is_file()
        assert f'{best}, is gone' in ''.join(capfd.readouterr())

    @pytest.mark.parametrize('rule', ['greater', 'less'])
    def test_the_work_dir_was_moved(self, toy_config, tmp_path, capfd, rule):
        self.run(toy_config, tmp_path / 'before', 1, rule)
        now = (tmp_path / 'before').rename(tmp_path / 'now')
        info = self.run(toy_config, now, 2, rule, resume='auto')
        assert list(now.glob('best_*')) == [Path(info['best_ckpt'])]
        assert 'is gone' not in ''.join(capfd.readouterr())


def test_another_run_in_the_work_dir(toy_config, tmp_path):
    """Steps of one run are not those of the files of another."""
    options = {'default_hooks.checkpoint.max_keep_ckpts': 1}

    def run(name: str, epochs: int, **keys) -> Path:
        train(
            toy_config,
            work_dir=str(tmp_path / name),
            cfg_options=options | {'train_cfg.max_epochs': epochs},
            no_validate=True,
            **keys,
        )
        return tmp_path / name / f'epoch_{epochs}.pth'

    here, there = run('here', 2), run('there', 2)
    run('here', 3, resume=str(there))
    assert here.exists()
    # As it is where the run goes on in its own folder.
    run('there', 3, resume=str(there))
    assert not there.exists()


class TestTheLastGoodOne:
    """``max_keep_ckpts`` removes nothing before there is a newer good one."""

    @staticmethod
    def run(config: str, folder: Path, epochs: int, keep: int, **keys) -> None:
        options = {
            'train_cfg.max_epochs': epochs,
            'default_hooks.checkpoint.max_keep_ckpts': keep,
        }
        train(
            config,
            work_dir=str(folder),
            cfg_options=options,
            no_validate=True,
            **keys,
        )

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.glob('*.pth'))

    def test_the_new_one_is_read_again(
        self, toy_config, tmp_path, monkeypatch
    ):
        """A disk that returns another byte than it was given."""
        put = AtomicLocalBackend.put

        def damage(self, obj, filepath):
            if str(filepath).endswith('epoch_2.pth'):
                obj = obj[:300] + bytes([obj[300] ^ 255]) + obj[301:]
            put(self, obj, filepath)

        monkeypatch.setattr(AtomicLocalBackend, 'put', damage)
        self.run(toy_config, tmp_path / 'run', epochs=2, keep=1)
        assert self.names(tmp_path / 'run') == ['epoch_1.pth', 'epoch_2.pth']
        log = next((tmp_path / 'run').rglob('*.log')).read_text()
        assert 'No older checkpoint is removed' in log
        # And the run goes on from the good one.
        monkeypatch.undo()
        self.run(toy_config, tmp_path / 'run', epochs=2, keep=1, resume='auto')
        assert self.names(tmp_path / 'run') == ['epoch_2.pth']

    def test_fewer_are_kept_after_a_resume(self, toy_config, tmp_path):
        folder = tmp_path / 'run'
        self.run(toy_config, folder, epochs=3, keep=3)
        assert len(self.names(folder)) == 3
        # Nothing is saved any more: nothing is removed.
        self.run(toy_config, folder, epochs=3, keep=1, resume='auto')
        assert len(self.names(folder)) == 3
        self.run(toy_config, folder, epochs=4, keep=1, resume='auto')
        assert self.names(folder) == ['epoch_4.pth']
