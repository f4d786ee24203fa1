"""Mistakes of the user: one clear line, before or in training and testing."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from mmuniformer.apis import test, train
from mmuniformer.checkpoint import CheckpointError
from mmuniformer.errors import UserError


@pytest.fixture
def checkpoint(toy_config, tmp_path) -> Path:
    train(
        toy_config,
        work_dir=str(tmp_path / 'run'),
        cfg_options={'train_cfg.max_epochs': 1},
    )
    return tmp_path / 'run' / 'epoch_1.pth'


class TestConfig:
    def test_config_that_cannot_train(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text('model = dict(type=1)\n')
        with pytest.raises(UserError, match='it has no train_dataloader'):
            train(str(config))

    def test_argument_that_a_class_does_not_take(self, toy_config, tmp_path):
        with pytest.raises(UserError, match='did you mean width'):
            train(
                toy_config,
                work_dir=str(tmp_path),
                cfg_options={'model.widht': 4},
            )
        text = Path(toy_config).read_text()
        Path(toy_config).write_text(f'{text}model.update(widht=4)\n')
        with pytest.raises(
            UserError,
            match=r"model: ToyModel takes no argument 'widht'; did you mean "
            r'width.*it takes width, norm',
        ):
            train(toy_config, work_dir=str(tmp_path))

    def test_type_that_nobody_registered(self, toy_config, tmp_path):
        options = {'model.type': 'ToyModell'}
        with pytest.raises(
            UserError, match=r"model\.type: .*'ToyModell'.*did you mean Toy"
        ):
            train(toy_config, work_dir=str(tmp_path), cfg_options=options)

    def test_batch_size_to_scale_from(self, toy_config, tmp_path):
        with pytest.raises(UserError, match=r'auto_scale_lr.base_batch_size'):
            train(toy_config, work_dir=str(tmp_path), auto_scale_lr=True)


class TestData:
    def test_missing_data_set(self, toy_config, tmp_path):
        key = 'train_dataloader.dataset.data_root'
        with pytest.raises(
            UserError, match=rf'points\.txt does not exist.*{key}'
        ):
            train(
                toy_config,
                work_dir=str(tmp_path),
                cfg_options={key: str(tmp_path / 'nowhere')},
            )

    def test_unwritable_work_dir(self, toy_config, tmp_path):
        (tmp_path / 'file').write_text('')
        with pytest.raises(UserError, match='cannot make the work dir'):
            train(toy_config, work_dir=str(tmp_path / 'file' / 'run'))
        with pytest.raises(UserError, match='cannot make the work dir'):
            train(toy_config, work_dir=str(tmp_path / ('x' * 300)))


class _Hostile:
    def __reduce__(self):
        return (os.system, ('touch hacked',))


class TestCheckpoint:
    def test_missing_file_names_the_nearest(self, toy_config, checkpoint):
        typo = checkpoint.with_name('epoch_2.pth')
        with pytest.raises(UserError, match=r'did you mean epoch_1\.pth'):
            test(toy_config, str(typo))

    def test_no_name(self, toy_config):
        """As of a variable of a shell that is not set."""
        with pytest.raises(UserError, match=r'checkpoint \. is a folder'):
            test(toy_config, '')

    def test_hostile_pickle_is_refused(
        self, toy_config, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / 'hostile.pth'
        torch.save(dict(state_dict={}, meta=_Hostile()), path)
        with pytest.raises(CheckpointError, match=r'refused.*system'):
            test(toy_config, str(path))
        with pytest.raises(CheckpointError, match=r'refused.*system'):
            train(toy_config, resume=str(path))
        path.write_bytes(pickle.dumps(_Hostile()))
        with pytest.raises(CheckpointError, match=r'hostile\.pth'):
            test(toy_config, str(path))
        assert not (tmp_path / 'hacked').exists()

    @pytest.mark.parametrize(
        'content', [b'', b'<!DOCTYPE html>', b'PK\3\4 cut off', b'\x80\x02}.']
    )
    def test_other_files_are_refused(self, toy_config, tmp_path, content):
        path = tmp_path / 'model.pth'
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r'model\.pth'):
            test(toy_config, str(path), work_dir=str(tmp_path / 'test'))

    def test_checkpoint_of_another_model(
        self, toy_config, checkpoint, tmp_path
    ):
        with pytest.raises(
            UserError,
            match='1 of 2 parameters match; 1 of another shape: '
            r'linear\.weight \(1x4 in the file, 1x5 here\)',
        ):
            test(
                toy_config,
                str(checkpoint),
                work_dir=str(tmp_path / 'test'),
                cfg_options={'model.width': 5},
            )

    def test_checkpoint_without_a_part(self, toy_config, tmp_path):
        path = tmp_path / 'part.pth'
        torch.save({'linear.bias': torch.zeros(1), 'x': torch.ones(1)}, path)
        with pytest.raises(
            UserError,
            match=r'1 of 2 parameters match; 1 not in the file: '
            r'linear\.weight; 1 only in the file: x',
        ):
            test(toy_config, str(path), work_dir=str(tmp_path / 'test'))
