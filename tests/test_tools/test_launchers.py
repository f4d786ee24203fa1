"""tools/*.sh: torchrun on CPU processes, and the command given to srun."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import toy_library  # noqa: F401  (named by the checkpoints)

from mmuniformer.checkpoint import read_checkpoint

TOOLS = Path(__file__).parents[2] / 'tools'
SCRIPTS = ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
LIBRARY = 'nodes.sh'
FAKE_SRUN = """#!/usr/bin/env bash
printf '%s\\n' "$@"
"""


@pytest.fixture
def free_port() -> str:
    import socket

    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return str(listener.getsockname()[1])


def pid_of_rank(rank: int, launcher: int) -> int:
    for folder in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            status = (folder / 'stat').read_text().rpartition(')')[2]
            variables = (folder / 'environ').read_text().split('\0')
            is_child = int(status.split()[1]) == launcher
            if is_child and f'RANK={rank}' in variables:
                return int(folder.name)
    raise AssertionError(f'no process of rank {rank}')


def is_running(pid: int) -> bool:
    with suppress(OSError):
        status = Path('/proc', str(pid), 'stat').read_text()
        # Nobody may have asked how an orphan ended.
        return status.rpartition(')')[2].split()[0] != 'Z'
    return False


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

    @pytest.mark.parametrize(
        'signum',
        [
            signal.SIGKILL,
            # Noticed after TIMEOUT, and killed half a minute later.
            pytest.param(signal.SIGSTOP, marks=pytest.mark.slow),
        ],
    )
    def test_a_process_that_is_gone(
        self, toy_config, tmp_path, start_tool, signum
    ):
        """The run is started again, and goes on from its own checkpoint."""
        work_dir = tmp_path / 'run'
        work_dir.mkdir()
        # Of an earlier run, with which this one has nothing to do.
        old = work_dir / 'epoch_9.pth'
        old.write_bytes(b'damaged')
        os.utime(old, (1, 1))
        run = start_tool(
            'dist_train.sh',
            toy_config,
            2,
            '--no-validate',
            '--work-dir',
            work_dir,
            TOY_SLEEP='0.3',
            TIMEOUT='60',
        )
        first = work_dir / 'epoch_1.pth'
        run.wait_until(first.exists)
        os.kill(pid_of_rank(1, run.process.pid), signum)
        assert run.wait() == 0, run.text
        assert 'restart 1 of 3 from the newest checkpoint' in run.text
        assert 'Restart 1 of this run: it goes on from' in run.text
        assert run.text.count('Epoch(train) [4][4/4]') == 1
        assert run.text.count('Epoch(train) [1][4/4]') == 1

    def test_a_launcher_that_is_killed(self, toy_config, tmp_path, start_tool):
        """Its processes do not train on without it: they save and end."""
        work_dir = tmp_path / 'run'
        run = start_tool(
            'dist_train.sh',
            toy_config,
            2,
            '--no-validate',
            '--work-dir',
            work_dir,
            TOY_SLEEP='0.5',
        )
        run.wait_until((work_dir / 'epoch_1.pth').exists)
        pids = [pid_of_rank(rank, run.process.pid) for rank in (0, 1)]
        run.process.kill()
        end = time.monotonic() + 120
        while any(map(is_running, pids)):
            assert time.monotonic() < end, run.text
            time.sleep(0.1)
        assert 'SIGTERM' in run.text
        newest = Path((work_dir / 'last_checkpoint').read_text())
        assert newest.name != 'epoch_4.pth'
        assert read_checkpoint(str(newest))['meta']['iter'] < 16

    def test_mistake_is_told_once(self, run_tool, free_port):
        result = run_tool('dist_train.sh', 'no.py', 2, PORT=free_port)
        assert result.returncode != 0
        assert result.stderr.count('error: config no.py does not exist') == 1


class TestVariables:
    """What dist_train.sh makes of them, for a Python that shows it."""

    def run(self, run_tool, tmp_path, script, *arguments, **variables):
        python = tmp_path / 'python'
        python.write_text(
            '#!/bin/sh\nprintf "%s\\n" "$MMUNIFORMER_TIMEOUT" "$@"\n'
        )
        python.chmod(0o755)
        done = run_tool(script, *arguments, PYTHON=str(python), **variables)
        assert done.returncode == 0, done.stderr
        timeout, launch, *rest = done.stdout.splitlines()
        assert launch == str(TOOLS / 'launch.py')
        return timeout, rest

    def test_one_node(self, run_tool, tmp_path):
        timeout, command = self.run(
            run_tool, tmp_path, 'dist_train.sh', 'a.py', 8, '--resume'
        )
        assert timeout == ''
        assert command == [
            '--nnodes=1',
            '--nproc-per-node=8',
            '--max-restarts=3',
            '--rdzv-backend=c10d',
            '--rdzv-endpoint=127.0.0.1:0',
            '--rdzv-id=mmuniformer',
            str(TOOLS / 'train.py'),
            'a.py',
            '--launcher',
            'pytorch',
            '--resume',
        ]

    def test_several_nodes(self, run_tool, tmp_path):
        timeout, command = self.run(
            run_tool,
            tmp_path,
            'dist_train.sh',
            'a.py',
            8,
            NNODES='2:4',
            NODE_RANK='1',
            MASTER_ADDR='10.0.0.1',
            PORT='1234',
            MAX_RESTARTS='0',
            TIMEOUT='60',
            RDZV_ID='mine',
        )
        assert timeout == '60'
        assert command[:7] == [
            '--nnodes=2:4',
            '--nproc-per-node=8',
            '--max-restarts=0',
            '--rdzv-backend=c10d',
            '--rdzv-endpoint=10.0.0.1:1234',
            '--rdzv-id=mine',
            '--node-rank=1',
        ]

    def test_a_test_is_not_started_again(self, run_tool, tmp_path):
        _, command = self.run(
            run_tool, tmp_path, 'dist_test.sh', 'a.py', 'b.pth', 2, PORT='5'
        )
        assert '--max-restarts=0' in command
        assert '--rdzv-endpoint=127.0.0.1:5' in command
        assert command[-4:] == ['a.py', 'b.pth', '--launcher', 'pytorch']


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
            '--signal=USR1@120',
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
@pytest.mark.parametrize('script', [*SCRIPTS, LIBRARY])
def test_shellcheck(script):
    command = ['shellcheck', TOOLS / script]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
