"""tools/train.py: training, killing, resuming."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.checkpoints import newest_checkpoint
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.errors import UserError

ITERATIONS = 8


def parameters(path: Path) -> list[torch.Tensor]:
    return list(read_checkpoint(str(path))['state_dict'].values())


class TestResume:
    def test_killed_run_ends_as_an_uninterrupted_one(
        self, toy_config, tmp_path, environment, run_tool
    ):
        killed, whole = tmp_path / 'killed', tmp_path / 'whole'
        tool = Path(__file__).parents[2] / 'tools' / 'train.py'
        process = subprocess.Popen(
            [sys.executable, tool, toy_config, '--work-dir', killed],
            env=environment | {'TOY_SLEEP': '0.2'},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while not (killed / 'epoch_2.pth').exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # some iterations into the third epoch
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (killed / 'epoch_3.pth').exists()

        resumed = run_tool(
            'train.py', toy_config, '--work-dir', killed, '--resume'
        )
        assert resumed.returncode == 0, resumed.stderr
        log = resumed.stdout + resumed.stderr
        assert f'resumed epoch: 2, iter: {2 * ITERATIONS}' in log
        assert 'Epoch(train) [3][1/8]' in log
        assert 'Epoch(train) [2]' not in log

        train(toy_config, work_dir=str(whole))
        last = read_checkpoint(str(killed / 'epoch_4.pth'))
        assert last['meta']['iter'] == 4 * ITERATIONS
        pairs = zip(
            parameters(killed / 'epoch_4.pth'),
            parameters(whole / 'epoch_4.pth'),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs)

    def test_cut_off_checkpoint_is_passed_over(self, toy_config, tmp_path):
        work_dir = tmp_path / 'run'
        train(toy_config, work_dir=str(work_dir))
        newest = work_dir / 'epoch_4.pth'
        newest.write_bytes(newest.read_bytes()[:-500])
        found, (warning,) = newest_checkpoint(work_dir)
        assert found == str(work_dir / 'epoch_3.pth')
        assert warning.level == 'warning'
        assert 'epoch_4.pth' in str(warning)

        train(toy_config, work_dir=str(work_dir), resume='auto')
        last = read_checkpoint(str(newest))
        assert last['meta']['iter'] == 4 * ITERATIONS

    def test_no_whole_checkpoint_is_an_error(self, tmp_path):
        (tmp_path / 'epoch_1.pth').write_bytes(b'PK\3\4 cut off')
        found, findings = newest_checkpoint(tmp_path)
        assert found is None
        with pytest.raises(UserError, match=r'no checkpoint .*epoch_1\.pth'):
            stop_on_errors(findings)

    def test_empty_work_dir_starts_from_the_beginning(
        self, toy_config, tmp_path
    ):
        work_dir = tmp_path / 'run'
        train(
            toy_config,
            work_dir=str(work_dir),
            resume='auto',
            cfg_options={'train_cfg.max_epochs': 1},
        )
        last = read_checkpoint(str(work_dir / 'epoch_1.pth'))
        assert last['meta']['iter'] == ITERATIONS

    def test_moved_work_dir(self, toy_config, tmp_path):
        work_dir = tmp_path / 'run'
        train(toy_config, work_dir=str(work_dir))
        moved = work_dir.rename(tmp_path / 'moved')
        assert newest_checkpoint(moved) == (str(moved / 'epoch_4.pth'), [])

    def test_weights_alone_cannot_be_resumed(self, toy_config, tmp_path):
        weights = tmp_path / 'weights.pth'
        torch.save(dict(state_dict={'linear.weight': torch.ones(1)}), weights)
        with pytest.raises(UserError, match='it has no optimizer'):
            train(toy_config, work_dir=str(tmp_path), resume=str(weights))


class TestSaving:
    def test_old_file_goes_after_the_new_one_is_there(
        self, toy_config, tmp_path, monkeypatch
    ):
        seen = []
        put = AtomicLocalBackend.put

        def spy(self, content, path):
            folder = Path(path).parent
            put(self, content, path)
            seen.append(sorted(p.name for p in folder.glob('*.pth')))

        monkeypatch.setattr(AtomicLocalBackend, 'put', spy)
        train(
            toy_config,
            work_dir=str(tmp_path / 'run'),
            cfg_options={
                'default_hooks.checkpoint.max_keep_ckpts': 1,
                'train_cfg.max_epochs': 3,
            },
        )
        saved = [names for names in seen if names]
        assert saved == [
            ['epoch_1.pth'],
            ['epoch_1.pth', 'epoch_2.pth'],
            ['epoch_2.pth', 'epoch_3.pth'],
        ]
        left = sorted(p.name for p in (tmp_path / 'run').glob('*.pth'))
        assert left == ['epoch_3.pth']

    def test_config_without_hooks(self, toy_config, tmp_path):
        text = Path(toy_config).read_text()
        Path(toy_config).write_text(text + 'default_hooks = None\n')
        train(
            toy_config,
            work_dir=str(tmp_path / 'run'),
            cfg_options={'train_cfg.max_epochs': 1},
        )
        cfg = Config.fromfile(tmp_path / 'run' / Path(toy_config).name)
        assert cfg.default_hooks is None
        assert (tmp_path / 'run' / 'epoch_1.pth').is_file()


def test_options_reach_the_run(toy_config, tmp_path):
    work_dir = tmp_path / 'run'
    train(
        toy_config,
        work_dir=str(work_dir),
        amp=not torch.cuda.is_available(),
        no_validate=True,
        auto_scale_lr=True,
        cfg_options={
            'auto_scale_lr.base_batch_size': 1,
            'train_cfg.max_epochs': 1,
        },
    )
    cfg = Config.fromfile(work_dir / Path(toy_config).name)
    assert cfg.val_cfg is None
    assert cfg.auto_scale_lr.enable is True
    # What was asked for; without an accelerator the run itself is in float32.
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.default_hooks.checkpoint.type == 'CheckpointHook'
    log = next(work_dir.glob('*/*.log')).read_text()
    assert 'training in float32' in log
    assert 'Scaling the original LR by 2.0' in log
    assert 'Epoch(val)' not in log


class TestScaledLearningRate:
    """The batch of one step of the optimizer against ``base_batch_size``."""

    @pytest.mark.parametrize(
        ('accumulated', 'factor'), [(1, 2 / 8), (2, 4 / 8), (8, 16 / 8)]
    )
    def test_accumulated_steps_count(
        self, toy_config, tmp_path, accumulated, factor
    ):
        work_dir = tmp_path / 'run'
        train(
            toy_config,
            work_dir=str(work_dir),
            no_validate=True,
            auto_scale_lr=True,
            cfg_options={
                'auto_scale_lr.base_batch_size': 8,
                'optim_wrapper.accumulative_counts': accumulated,
                'train_cfg.max_epochs': 1,
                'param_scheduler': [],
            },
        )
        content = read_checkpoint(str(work_dir / 'epoch_1.pth'))
        (group,) = content['optimizer']['param_groups']
        assert group['lr'] == pytest.approx(0.01 * factor)
        log = next(work_dir.glob('*/*.log')).read_text()
        told = f'batch size of {2 * accumulated}; the learning rate of the '
        assert (told + 'config is for 8' in log) == (accumulated > 1)
        cfg = Config.fromfile(work_dir / Path(toy_config).name)
        assert cfg.auto_scale_lr == dict(base_batch_size=8, enable=True)


def test_two_runs_of_a_process_write_apart(toy_config, tmp_path):
    """Also those of one name that begin within a second."""
    named = {
        'visualizer': dict(
            type='Visualizer',
            name='visualizer',
            vis_backends=[dict(type='LocalVisBackend')],
        ),
        'default_hooks.logger': dict(type='LoggerHook', interval=1),
        'train_cfg.max_epochs': 1,
    }
    numbers = []
    for name, seed in (('first', 1), ('second', 2)):
        options = named | {'randomness.seed': seed}
        train(
            toy_config,
            work_dir=str(tmp_path / name),
            no_validate=True,
            cfg_options=options,
        )
        assert len(list((tmp_path / name).glob('*/*.log'))) == 1
        (scalars,) = (tmp_path / name).glob('*/vis_data/scalars.json')
        lines = scalars.read_text().splitlines()
        assert len(lines) == ITERATIONS
        numbers.append(lines)
    assert numbers[0] != numbers[1]
