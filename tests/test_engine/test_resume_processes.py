"""Two processes under torchrun: resumed by two, and by another number."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from small_runs import IMAGES, Small, differences, make_data, seen

from mmuniformer.checkpoint import read_checkpoint

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def data(shared):
    root = shared / 'small_runs'
    make_data(root)
    return root


@pytest.fixture
def by_two(data, tmp_path, environment):
    """Runs trainings of two processes in ``tmp_path``; gives the output."""

    def run(*runs: list) -> str:
        done = subprocess.run(
            [
                sys.executable,
                '-m',
                'torch.distributed.run',
                '--standalone',
                '--nproc_per_node=2',
                str(TESTS / 'two_processes.py'),
                str(data),
                str(tmp_path),
                json.dumps(runs),
            ],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
        )
        text = done.stdout + done.stderr
        assert done.returncode == 0, text[-3000:]
        return text

    return run


def check_equal(data: Path, folder: Path, task: str) -> None:
    small = Small(task, data, folder)
    whole, parts = (small.last(folder / name) for name in ('whole', 'parts'))
    assert len(whole['run_state']['ranks']) == 2
    assert not differences(whole, parts)


def test_one_of_two_is_asked_to_stop(data, tmp_path, by_two):
    """Both stop, one step later at most."""
    by_two(
        ['pose', 0, 'whole', None, None],
        ['pose', 0, 'parts', None, dict(step=1, by='SIGTERM', rank=1)],
        ['pose', 2, 'parts', 'auto', None],
    )
    check_equal(data, tmp_path, 'pose')
    steps = [
        json.loads(line)[0]
        for line in (tmp_path / 'parts/seen_0.jsonl').read_text().splitlines()
    ]
    # 12 people and more, 2 of them a step and process.
    assert steps == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.parametrize('task', ['det', 'seg', 'pose', 'video'])
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('by', ['SIGTERM', 'kill'])
def test_every_task(data, tmp_path, by_two, task, workers, by):
    # Within the second epoch, of which pose has fewer steps.
    step = 3 if task == 'pose' else 5
    by_two(
        [task, workers, 'whole', None, None],
        [task, workers, 'parts', None, dict(step=step, by=by)],
        [task, workers, 'parts', 'auto', None],
    )
    check_equal(data, tmp_path, task)


@pytest.mark.slow
def test_two_one_two(data, tmp_path, by_two):
    """Weights, optimizer and samples seen are equal; it says so."""
    folder = tmp_path / 'alone'
    folder.mkdir()
    small = Small('seg', data, folder)
    small.out = tmp_path
    by_two(['seg', 0, 'parts', None, dict(step=1, by='SIGTERM')])
    stopped = sorted((tmp_path / 'parts').glob('iter_*.pth'))[-1]
    before = read_checkpoint(str(stopped))
    steps = before['meta']['iter']
    # A step of both is two of one.
    small.run('parts', resume='auto', end=dict(step=steps + 2, by='SIGTERM'))
    log = ''.join(p.read_text() for p in (tmp_path / 'parts').glob('*/*.log'))
    assert 'with 1 processes; the checkpoint is of 2' in log
    assert f'samples seen ({4 * steps} of epoch 1 of the data)' in log
    by_two(['seg', 0, 'parts', 'auto', None])
    counts = Counter(seen(tmp_path / 'parts'))
    total = 4 * steps + 2 * 2 + 4 * (9 - steps - 2)
    assert sum(counts.values()) == total
    # Every sample of an epoch once, whoever read it.
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == IMAGES


@pytest.mark.slow
def test_an_epoch_of_two_one_and_two(data, tmp_path, by_two):
    """Images are held back for batches of like shapes, and none is lost."""
    folder = tmp_path / 'alone'
    folder.mkdir()
    small = Small('det', data, folder)
    small.out = tmp_path
    by_two(['det', 0, 'parts', None, dict(step=1, by='SIGTERM')])
    small.run('parts', resume='auto', end=dict(step=4, by='SIGTERM'))
    by_two(['det', 0, 'parts', 'auto', None])
    counts = Counter(seen(tmp_path / 'parts'))
    assert len(counts) == IMAGES
    # Twice in two epochs; two more make the processes even.
    assert min(counts.values()) == 2
    assert sum(counts.values()) <= 2 * IMAGES + 2
