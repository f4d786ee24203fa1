"""Two processes on shards, killed and resumed: every sample once."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import shard_files

pytest.importorskip('mmuniformer.engine.loops')

PROGRAM = Path(__file__).parents[1] / 'two_processes_on_shards.py'


def steps_of(work_dir: Path) -> list[list[str]]:
    """Samples of both processes in each step, as it was made the last time."""
    steps: dict[tuple[int, int], list[str]] = {}
    for rank in (0, 1):
        text = (work_dir / f'seen_{rank}.jsonl').read_text()
        for step, names in map(json.loads, text.splitlines()):
            steps[step, rank] = names
    number = max(step for step, _ in steps)
    return [steps[n, 0] + steps[n, 1] for n in range(1, number + 1)]


def by_two(data: Path, folder: Path, environment: dict, runs: list):
    """Trainings of two processes, one after the other."""
    return subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node=2',
            str(PROGRAM),
            str(data),
            str(folder),
            json.dumps(runs),
        ],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_every_sample_of_an_epoch_once(tmp_path, environment):
    data = tmp_path / 'data'
    shard_files.make_videos(data / 'videos')
    # In the third step of the first epoch, after two checkpoints.
    runs = [
        [0, 'whole', None, None],
        [2, 'parts', None, dict(step=3, by='SIGKILL')],
    ]
    killed = by_two(data, tmp_path, environment, runs)
    assert 'SIGKILL' in killed.stderr, killed.stderr[-3000:]
    runs = [[0, 'parts', 'auto', None]]
    resumed = by_two(data, tmp_path, environment, runs)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert 'Resumed at epoch 1, batch 3' in resumed.stdout + resumed.stderr
    whole, parts = (steps_of(tmp_path / name) for name in ('whole', 'parts'))
    assert parts == whole
    assert len(parts) == 6
    for epoch in (parts[:3], parts[3:]):
        counts = Counter(name for step in epoch for name in step)
        assert len(counts) == counts.total() == 12
    assert parts[:3] != parts[3:]
