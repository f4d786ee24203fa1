"""SIGTERM, SIGUSR1 and Ctrl-C, to a training in a process of its own."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_library  # noqa: F401 - a checkpoint's config is not to import it

from mmuniformer.apis import train
from mmuniformer.checkpoint import read_checkpoint
from mmuniformer.cli import INTERRUPTED, PREEMPTED

TOOL = Path(__file__).parents[2] / 'tools' / 'train.py'
WORKERS = [
    '--cfg-options',
    'train_dataloader.num_workers=2',
    'train_dataloader.persistent_workers=True',
]


@pytest.fixture
def start(toy_config, tmp_path, environment):
    """Starts trainings in ``run``, each with a process group of its own."""
    started = []

    def start(*more: str) -> subprocess.Popen:
        out = tmp_path / 'run'
        process = subprocess.Popen(
            [sys.executable, TOOL, toy_config, '--work-dir', out, *more],
            env=environment | {'TOY_SLEEP': '0.1'},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell's jobs in the background are born without it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(process: subprocess.Popen, words: str) -> str:
    """Reads the log until it has these words."""
    text = ''
    for line in process.stdout:
        text += line
        if words in line:
            return text
    raise AssertionError(text)


def last(out: Path) -> list[torch.Tensor]:
    return list(
        read_checkpoint(str(out / 'epoch_4.pth'))['state_dict'].values()
    )


def check_end(config: str, out: Path, tmp_path: Path) -> None:
    """The rest of the run is that of one which was left alone."""
    train(config, work_dir=str(out), resume='auto')
    train(config, work_dir=str(tmp_path / 'whole'))
    pairs = zip(last(out), last(tmp_path / 'whole'), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not list(out.glob('iter_*.pth'))


def test_signals_to_all_processes(start, toy_config, tmp_path):
    """Workers among them; a second signal while the first is obeyed."""
    out = tmp_path / 'run'
    process = start(*WORKERS)
    wait_for(process, 'Epoch(train) [2][3/8]')
    os.killpg(process.pid, signal.SIGUSR1)
    os.killpg(process.pid, signal.SIGTERM)
    text = process.communicate(timeout=240)[0]
    assert process.returncode == PREEMPTED == 75, text
    (saved,) = out.glob('iter_*.pth')
    step = int(saved.stem.removeprefix('iter_'))
    assert 11 <= step <= 14
    assert f'SIGUSR1: saved {saved}' in text
    assert '--resume' in text
    assert 'Traceback' not in text
    assert read_checkpoint(str(saved))['meta']['iter'] == step
    check_end(toy_config, out, tmp_path)


def test_before_the_first_step(start):
    process = start()
    # What comes first in the log of a run.
    wait_for(process, 'System environment')
    process.send_signal(signal.SIGTERM)
    text = process.communicate(timeout=240)[0]
    assert process.returncode == PREEMPTED
    assert 'SIGTERM: ended before the first step' in text or 'saved' in text


def test_ctrl_c_says_how_to_go_on(start, tmp_path):
    out = tmp_path / 'run'
    process = start()
    wait_for(process, 'Epoch(train) [2][2/8]')
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=240)[0]
    assert process.returncode == INTERRUPTED
    assert text.splitlines()[-1] == (
        f'interrupted: the last checkpoint is {out}/epoch_1.pth; the same '
        'command with --resume goes on from there'
    )


@pytest.mark.slow
def test_ten_random_moments(start, toy_config, tmp_path):
    """One run, stopped again and again; nothing is lost or done twice."""
    draw, out, codes = random.Random(0), tmp_path / 'run', []
    for _ in range(10):
        process = start('--resume', *WORKERS)
        begun = 'Epoch(train)' if draw.random() < 0.7 else 'System environ'
        wait_for(process, begun)
        time.sleep(draw.uniform(0, 0.5))
        os.killpg(process.pid, draw.choice([signal.SIGTERM, signal.SIGUSR1]))
        text = process.communicate(timeout=240)[0]
        assert 'Traceback' not in text
        codes.append(process.returncode)
        if process.returncode == 0:
            break
    assert PREEMPTED in codes
    assert set(codes) <= {0, PREEMPTED}
    check_end(toy_config, out, tmp_path)
