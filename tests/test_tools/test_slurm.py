"""slurm_train.sh under stand-ins for Slurm's commands, and for Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
TOOLS = HERE.parent / 'tools'
# In place of Python with train.py: steps of a tenth of a second, saved by the
# first task when it is asked to.
TRAIN = """#!{python}
import os, signal, sys, time
state = os.environ['STATE']
rank = int(os.environ['SLURM_PROCID'])
step = int(open(state).read()) if '--resume' in sys.argv[1:] else 0
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append('USR1'))
signal.signal(signal.SIGTERM, lambda *_: asked.append('TERM'))
print(f'task {{rank}} starts at {{step}}', flush=True)
# The time limit counts from when all tasks heed the signal.
here = os.environ['SLURM_STANDIN']
restart = os.environ.get('SLURM_RESTART_COUNT', '0')
marks = [
    os.path.join(here, f'ready-{{restart}}-{{task}}')
    for task in range(int(os.environ['SLURM_NTASKS']))
]
open(marks[rank], 'w').close()
if all(map(os.path.exists, marks)):
    open(os.path.join(here, 'started'), 'w').close()
while step < int(os.environ.get('STEPS', 20)):
    time.sleep(0.1)
    step += 1
    if asked:
        print(f'task {{rank}}: {{asked[0]}} at {{step}}', flush=True)
        if rank == 0:
            open(state, 'w').write(str(step))
        sys.exit(int(os.environ.get('CODE', 75)))
print(f'task {{rank}} is done', flush=True)
"""


@pytest.fixture
def slurm(tmp_path):
    """Runs a script among stand-ins; returns its process."""
    bin_ = tmp_path / 'bin'
    bin_.mkdir()
    standin = (HERE / 'slurm_standin.py').read_text()
    first, _, rest = standin.partition('\n')
    assert first == '#!/usr/bin/env python3'
    for name in ('srun', 'sbatch', 'scontrol'):
        (bin_ / name).write_text(f'#!{sys.executable}\n{rest}')
    (bin_ / 'train').write_text(TRAIN.format(python=sys.executable))
    for file in bin_.iterdir():
        file.chmod(0o755)
    (tmp_path / 'state').write_text('0')

    def run(*command: str, **variables: str) -> subprocess.CompletedProcess:
        env = dict(
            os.environ,
            PATH=f'{bin_}:/usr/bin:/bin',
            PYTHON=str(bin_ / 'train'),
            SLURM_STANDIN=str(tmp_path),
            STATE=str(tmp_path / 'state'),
            GPUS='2',
            **variables,
        )
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True
        )

    return run


ARGUMENTS = ('gpu', 'my job', 'config.py', 'work dir', '--amp')
SCRIPT = str(TOOLS / 'slurm_train.sh')


def calls(folder: Path, name: str) -> list[list[str]]:
    lines = (folder / 'calls').read_text().splitlines()
    found = map(json.loads, lines)
    return [arguments for first, *arguments in found if first == name]


class TestBatchJob:
    def test_goes_on_after_its_limit(self, slurm, tmp_path):
        done = slurm(
            'bash',
            SCRIPT,
            *ARGUMENTS,
            SBATCH='1',
            SAVE_BEFORE='1',
            STANDIN_LIMIT='1.5',
            STEPS='25',
        )
        assert done.returncode == 0, done.stderr
        output = (tmp_path / 'output').read_text()
        saved = int((tmp_path / 'state').read_text())
        assert f'task 0: USR1 at {saved}' in output
        assert 0 < saved < 25
        for rank in range(2):
            assert f'task {rank} starts at 0' in output
            assert f'task {rank} starts at {saved}' in output
            assert f'task {rank} is done' in output
        assert 'job ended with 75' in output
        assert output.rstrip().endswith('job ended with 0')
        assert ['requeue', '7'] in calls(tmp_path, 'scontrol')
        first, second, *_ = calls(tmp_path, 'srun')
        train = first.index(str(TOOLS / 'train.py'))
        rest = first[train + 1 :]
        assert rest == [
            'config.py',
            '--work-dir',
            'work dir',
            '--launcher',
            'slurm',
            '--amp',
        ]
        assert second[train + 1 :] == [*rest, '--resume']

    def test_what_is_submitted(self, slurm, tmp_path):
        slurm(
            'bash',
            SCRIPT,
            *ARGUMENTS,
            SBATCH='1',
            STEPS='0',
            SRUN_ARGS='--time=4:00:00 --account=me',
        )
        (submitted,) = calls(tmp_path, 'sbatch')
        assert submitted == [
            '--partition=gpu',
            '--job-name=my job',
            '--gres=gpu:2',
            '--ntasks=2',
            '--ntasks-per-node=2',
            '--cpus-per-task=5',
            '--signal=B:USR1@120',
            '--requeue',
            '--open-mode=append',
            '--time=4:00:00',
            '--account=me',
            SCRIPT,
            *ARGUMENTS,
        ]
        (step,) = calls(tmp_path, 'srun')
        # They are those of the job, whose signal its script passes on.
        assert not {'--time=4:00:00', '--account=me'} & set(step)
        assert not any(word.startswith('--signal') for word in step)

    def test_submitted_by_hand(self, slurm, tmp_path):
        """Slurm copies the script away from train.py, to its spool."""
        tools = tmp_path / 'a checkout' / 'tools'
        tools.mkdir(parents=True)
        for name in ('slurm_train.sh', 'train.py'):
            shutil.copy(TOOLS / name, tools)
        script = str(tools / 'slurm_train.sh')
        done = slurm('sbatch', '--ntasks=1', script, *ARGUMENTS, STEPS='1')
        assert done.returncode == 0, done.stderr
        output = (tmp_path / 'output').read_text()
        assert 'task 0 is done' in output, output
        (step,) = calls(tmp_path, 'srun')
        assert str(tools / 'train.py') in step

    @pytest.mark.parametrize('code', ['1', '0'])
    def test_another_end_is_no_reason_to_requeue(self, slurm, tmp_path, code):
        slurm(
            'bash',
            SCRIPT,
            *ARGUMENTS,
            SBATCH='1',
            SAVE_BEFORE='1',
            STANDIN_LIMIT='1.5',
            CODE=code,
        )
        output = (tmp_path / 'output').read_text()
        assert output.rstrip().endswith(f'job ended with {code}')
        assert not calls(tmp_path, 'scontrol')

    def test_scancel_does_not_requeue(self, tmp_path, slurm):
        """Slurm sends SIGTERM to the script and its tasks."""
        script = tmp_path / 'cancel.sh'
        script.write_text(
            f'bash {SCRIPT} gpu job config.py work </dev/null &\n'
            'while [ ! -e started ]; do sleep 0.1; done\n'
            'kill -TERM $!; wait $!\n'
        )
        done = slurm('bash', str(script), SLURM_JOB_ID='7')
        assert done.returncode == 75, done.stderr
        assert 'task 0: TERM' in done.stdout
        assert not (tmp_path / 'requeued').exists()


class TestDirectly:
    def test_the_signal_comes_to_the_tasks(self, slurm, tmp_path):
        done = slurm(
            'bash', SCRIPT, *ARGUMENTS, SAVE_BEFORE='1', STANDIN_LIMIT='1.5'
        )
        assert done.returncode == 75
        assert 'task 0: USR1 at' in done.stdout
        (step,) = calls(tmp_path, 'srun')
        assert step[0] == '--signal=USR1@1'
        again = slurm('bash', SCRIPT, *ARGUMENTS, '--resume')
        assert again.returncode == 0
        saved = (tmp_path / 'state').read_text()
        assert f'task 1 starts at {saved}' in again.stdout
