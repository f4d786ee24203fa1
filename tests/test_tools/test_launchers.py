"""tools/*.sh: torchrun on CPU processes, and the command given to srun."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mmuniformer.checkpoint import read_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'
SCRIPTS = ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
FAKE_SRUN = """#!/usr/bin/env bash
printf '%s\\n' "$@"
"""


@pytest.fixture
def free_port() -> str:
    import socket

    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


@pytest.fixture
def srun(tmp_path) -> str:
    """A PATH whose srun prints the arguments that it is given."""
    fake = tmp_path / 'bin' / 'srun'
    fake.parent.mkdir()
    fake.write_text(FAKE_SRUN)
    fake.chmod(0o755)
    return f'{fake.parent}:/usr/bin:/bin'


class TestTorchrun:
    def test_two_processes_on_the_cpu(
        self, toy_config, tmp_path, run_tool, free_port
    ):
        options = [
            'model.type=ToyBackbone',
            'train_dataloader.dataset.type=ToyImages',
            'train_cfg.max_epochs=1',
        ]
        trained = run_tool(
            'dist_train.sh',
            toy_config,
            2,
            '--no-validate',
            '--work-dir',
            tmp_path / 'run',
            '--cfg-options',
            *options,
            PORT=free_port,
        )
        log = trained.stdout + trained.stderr
        assert trained.returncode == 0, log
        assert 'joined by gloo' in log
        # 8 images, 2 in a batch, 2 processes.
        assert 'Epoch(train) [1][2/2]' in log
        assert 'GPU number: 2' in log
        saved = read_checkpoint(str(tmp_path / 'run' / 'epoch_1.pth'))
        assert saved['meta']['iter'] == 2
        assert not any(
            key.startswith('module.') for key in saved['state_dict']
        )

    def test_mistake_is_told_once(self, run_tool, free_port):
        result = run_tool('dist_train.sh', 'no.py', 2, PORT=free_port)
        assert result.returncode != 0
        assert result.stderr.count('error: config no.py does not exist') == 1


class TestSlurm:
    def test_train(self, run_tool, srun):
        result = run_tool(
            'slurm_train.sh',
            'gpu',
            'my job',
            'config.py',
            'work dir',
            '--resume',
            '--cfg-options',
            'a=1',
            PATH=srun,
            GPUS='16',
            CPUS_PER_TASK='3',
            SRUN_ARGS='--quotatype=auto --time=1:00',
        )
        assert result.returncode == 0, result.stderr
        command = result.stdout.splitlines()
        python = command.index('-u') - 1
        assert command[:python] == [
            '--partition=gpu',
            '--job-name=my job',
            '--gres=gpu:8',
            '--ntasks=16',
            '--ntasks-per-node=8',
            '--cpus-per-task=3',
            '--kill-on-bad-exit=1',
            '--quotatype=auto',
            '--time=1:00',
        ]
        assert Path(command[python + 2]) == TOOLS / 'train.py'
        assert command[python + 3 :] == [
            'config.py',
            '--work-dir',
            'work dir',
            '--launcher',
            'slurm',
            '--resume',
            '--cfg-options',
            'a=1',
        ]

    def test_test(self, run_tool, srun):
        result = run_tool(
            'slurm_test.sh',
            'gpu',
            'job',
            'config.py',
            'model.pth',
            '--tta',
            PATH=srun,
            GPUS='2',
        )
        assert result.returncode == 0, result.stderr
        command = result.stdout.splitlines()
        assert command[2:5] == [
            '--gres=gpu:2',
            '--ntasks=2',
            '--ntasks-per-node=2',
        ]
        assert command[-5:] == [
            'config.py',
            'model.pth',
            '--launcher',
            'slurm',
            '--tta',
        ]


@pytest.mark.parametrize('script', SCRIPTS)
def test_usage(script, run_tool):
    result = run_tool(script, 'one')
    assert result.returncode == 2
    assert result.stderr.startswith('usage: ')
    assert 'CONFIG' in result.stderr


@pytest.mark.skipif(
    shutil.which('shellcheck') is None, reason='shellcheck is not installed'
)
@pytest.mark.parametrize('script', SCRIPTS)
def test_shellcheck(script):
    command = ['shellcheck', TOOLS / script]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
