"""Mistakes of the user: one clear line, a non-zero exit code."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmuniformer.checkpoint import CheckpointError
from mmuniformer.engine import errors
from mmuniformer.engine.config import check_option, load_config
from mmuniformer.engine.errors import (
    INTERRUPTED,
    readable_errors,
    run_command,
)
from mmuniformer.engine.testing import evaluate
from mmuniformer.engine.training import train
from mmuniformer.errors import UserError


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Lets configs of this process import the toys."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def checkpoint(toy_config, tmp_path) -> Path:
    train(
        toy_config,
        work_dir=str(tmp_path / 'run'),
        cfg_options={'train_cfg.max_epochs': 1},
    )
    return tmp_path / 'run' / 'epoch_1.pth'


class TestConfigFile:
    def test_missing_file_names_the_nearest(self, toy_config):
        with pytest.raises(UserError, match=rf'not exist; did.*{toy_config}'):
            load_config(toy_config.replace('.py', 's.py'))

    def test_missing_folder_names_the_nearest(self, toy_config):
        path = Path(toy_config)
        with pytest.raises(UserError, match=rf'did you mean {toy_config}'):
            load_config(path.parent / 'nowhere' / path.name)

    def test_syntax_error_names_file_and_line(self, tmp_path):
        (tmp_path / 'base.py').write_text('a = 1\nb = (\nc = 2\n')
        config = tmp_path / 'leaf.py'
        config.write_text("_base_ = 'base.py'\n")
        with pytest.raises(UserError, match=r'base\.py, line 2'):
            load_config(config)

    def test_wrong_name_names_file_and_line(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text('a = 1\nb = undefined\n')
        with pytest.raises(
            UserError, match=r"config\.py, line 2: NameError.*'undefined'"
        ):
            load_config(config)

    def test_missing_base(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text("_base_ = 'nothing.py'\n")
        with pytest.raises(UserError, match=r'nothing\.py'):
            load_config(config)

    def test_missing_import(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text(
            "custom_imports = dict(imports=['no_such_package'], "
            'allow_failed_imports=False)\n'
        )
        with pytest.raises(UserError, match=r'no_such_package.*doctor'):
            load_config(config)

    def test_unknown_scope(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text("default_scope = 'mmdett'\n")
        with pytest.raises(UserError, match=r"'mmdett'.*did you mean mmdet"):
            load_config(config)

    def test_config_that_cannot_train(self, tmp_path):
        config = tmp_path / 'config.py'
        config.write_text('model = dict(type=1)\n')
        with pytest.raises(UserError, match='it has no train_dataloader'):
            train(str(config))


CONFIG = Config(
    dict(
        model=dict(
            type='Model',
            backbone=dict(type='Backbone', depth=50),
            test_cfg=dict(mode='whole', crop_size=512),
            plain=dict(width=1),
        ),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-4),
            paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict()),
        ),
        train_dataloader=dict(batch_size=2, dataset=dict(data_root='data/')),
        default_hooks=dict(logger=dict(type='LoggerHook')),
        param_scheduler=[dict(type='LinearLR')],
        data_root='data/',
        depth=50,
        load_from=None,
    )
)


class TestOptions:
    @pytest.mark.parametrize(
        'option',
        [
            'model.backbone.depth',
            'model.backbone.with_cp',
            'model.backbone.init_cfg.checkpoint',
            'model.test_cfg.stride',
            'optim_wrapper.optimizer.weight_decay',
            'optim_wrapper.paramwise_cfg.bias_decay_mult',
            'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult',
            'param_scheduler.0.begin',
            'default_hooks.visualization.type',
            'randomness.seed',
            'env_cfg.dist_cfg.timeout',
            'resume',
            'compile.mode',
            'find_unused_parameters',
            'load_from',
            'work_dir',
        ],
    )
    def test_accepted(self, option):
        check_option(CONFIG, option, 1)

    @pytest.mark.parametrize(
        ('option', 'message'),
        [
            ('modle.backbone', 'did you mean model'),
            ('lr', r'did you mean optim_wrapper\.optimizer\.lr'),
            ('optim_wraper.optimizer.lr', 'did you mean optim_wrapper'),
            ('randomness.sed', 'did you mean seed'),
            ('train_dataloader.batchsize', 'did you mean batch_size'),
            ('model.plain.height', 'it has width'),
            ('model.test_cfg.crop_sise', 'did you mean crop_size'),
            ('optim_wrapper.paramwise_cfg.norm_decay', 'norm_decay_mult'),
            ('param_scheduler.1.begin', r'1 entries'),
            ('model.backbone.depth.x', 'is 50'),
            ('load_from.x', 'is None'),
            ('data_root', r'set train_dataloader\.dataset\.data_root'),
            ('depth', r'changes nothing; set model\.backbone\.depth$'),
        ],
    )
    def test_refused(self, option, message):
        with pytest.raises(UserError, match=message):
            check_option(CONFIG, option, 'other')

    def test_argument_that_a_class_does_not_take(self, toy_config, tmp_path):
        options = {'model.widht': 4}
        with pytest.raises(
            UserError,
            match=r"model: ToyModel takes no argument 'widht'; did you mean "
            r'width.*it takes width, norm',
        ):
            train(toy_config, work_dir=str(tmp_path), cfg_options=options)

    def test_type_that_nobody_registered(self, toy_config, tmp_path):
        options = {'model.type': 'ToyModell'}
        with pytest.raises(
            UserError, match=r"model\.type: .*'ToyModell'.*did you mean Toy"
        ):
            train(toy_config, work_dir=str(tmp_path), cfg_options=options)

    def test_type_of_a_library_that_is_not_installed(self, monkeypatch):
        cfg = Config(dict(pipeline=[dict(type='Rand', _scope_='mmpretrain')]))
        monkeypatch.setattr(errors, 'find_spec', lambda name: None)
        with (
            pytest.raises(
                UserError,
                match=r"pipeline\.0: 'Rand' is a transform of mmpretrain, "
                'which is not installed; pip install mmpretrain',
            ),
            readable_errors(cfg),
        ):
            raise KeyError('Rand is not in the mmengine::transform registry.')

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

    def test_missing_file_in_a_loader_process(self):
        cfg = Config(dict(loader=dict(dataset=dict(data_root='data/coco'))))
        text = (
            'Caught FileNotFoundError in DataLoader worker process 0.\n'
            'Original Traceback (most recent call last):\n'
            'FileNotFoundError: [Errno 2] No such file or directory: '
            "'data/coco/a.jpg'\n"
        )
        with (
            pytest.raises(UserError, match=r'data/coco/a\.jpg does not exist'),
            readable_errors(cfg),
        ):
            raise FileNotFoundError(text)

    @pytest.mark.parametrize('content', [b'', b'no image'])
    def test_unreadable_image(self, content, tmp_path):
        from mmcv.transforms import LoadImageFromFile

        image = tmp_path / 'broken.jpg'
        image.write_bytes(content)
        with (
            pytest.raises(UserError, match=r'broken\.jpg: it is damaged'),
            readable_errors(Config(dict())),
        ):
            LoadImageFromFile()(dict(img_path=str(image)))

    def test_unwritable_work_dir(self, toy_config, tmp_path):
        (tmp_path / 'file').write_text('')
        with pytest.raises(UserError, match='cannot make the work dir'):
            train(toy_config, work_dir=str(tmp_path / 'file' / 'run'))


class _Hostile:
    def __reduce__(self):
        return (os.system, ('touch hacked',))


class TestCheckpoint:
    def test_missing_file_names_the_nearest(self, toy_config, checkpoint):
        typo = checkpoint.with_name('epoch_2.pth')
        with pytest.raises(UserError, match=r'did you mean epoch_1\.pth'):
            evaluate(toy_config, str(typo))

    def test_hostile_pickle_is_refused(
        self, toy_config, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / 'hostile.pth'
        torch.save(dict(state_dict={}, meta=_Hostile()), path)
        with pytest.raises(CheckpointError, match=r'refused.*system'):
            evaluate(toy_config, str(path))
        with pytest.raises(CheckpointError, match=r'refused.*system'):
            train(toy_config, resume=str(path))
        path.write_bytes(pickle.dumps(_Hostile()))
        with pytest.raises(CheckpointError, match=r'hostile\.pth'):
            evaluate(toy_config, str(path))
        assert not (tmp_path / 'hacked').exists()

    @pytest.mark.parametrize(
        'content', [b'', b'<!DOCTYPE html>', b'PK\3\4 cut off', b'\x80\x02}.']
    )
    def test_other_files_are_refused(self, toy_config, tmp_path, content):
        path = tmp_path / 'model.pth'
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r'model\.pth'):
            evaluate(toy_config, str(path), work_dir=str(tmp_path / 'test'))

    def test_checkpoint_of_another_model(
        self, toy_config, checkpoint, tmp_path
    ):
        with pytest.raises(
            UserError,
            match='1 of 2 parameters match; 1 of another shape: '
            r'linear\.weight \(1x4 in the file, 1x5 here\)',
        ):
            evaluate(
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
            evaluate(toy_config, str(path), work_dir=str(tmp_path / 'test'))


class TestCommand:
    def test_mistake(self, capsys):
        def command():
            raise UserError('no such thing')

        assert run_command(command) == 1
        assert capsys.readouterr().err == 'error: no such thing\n'

    def test_interruption(self, capsys):
        def command():
            raise KeyboardInterrupt

        assert run_command(command) == INTERRUPTED
        assert capsys.readouterr().err == 'interrupted\n'

    def test_defect_keeps_its_traceback(self):
        def command():
            raise KeyError('a defect')

        with pytest.raises(KeyError, match='a defect'):
            run_command(command)

    @pytest.mark.parametrize(
        'error', [TypeError("f() got an unexpected keyword argument 'x'")]
    )
    def test_foreign_type_error_is_not_hidden(self, error):
        with pytest.raises(TypeError), readable_errors(Config(dict(a=1))):
            raise error

    @pytest.mark.parametrize(
        ('tool', 'arguments', 'message'),
        [
            ('train.py', ['nothing.py'], 'error: config nothing.py does not'),
            ('test.py', ['TOY', 'no.pth'], 'error: checkpoint no.pth does'),
            (
                'train.py',
                ['TOY', '--cfg-options', 'resume'],
                "'resume' is not of the form KEY=VALUE",
            ),
        ],
    )
    def test_exit_code_and_one_line(
        self, tool, arguments, message, toy_config, run_tool
    ):
        arguments = [toy_config if a == 'TOY' else a for a in arguments]
        result = run_tool(tool, *arguments)
        assert result.returncode != 0
        assert message in result.stderr
        assert 'Traceback' not in result.stderr
