"""Launchers as children of a process that has imported torch already."""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# A process that has imported torch, and nothing else: torch looks through all
# modules, and through the stack, whenever nodes tell each other anything.
FORKING = multiprocessing.get_context('forkserver')
FORKING.set_forkserver_preload(['mmuniformer.launch.torchrun', 'pytest'])


def run_launcher(
    log: Path,
    arguments: list[str],
    variables: dict[str, str],
    namespace: str | None,
    ignored: tuple[int, ...],
) -> None:
    """What the process of a launcher does."""
    from mmuniformer.launch.torchrun import launch

    os.setpgid(0, 0)
    if namespace is not None:
        enter(namespace)
    # What runs the tests may ignore it, as a shell does in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for signum in ignored:
        signal.signal(signum, signal.SIG_IGN)
    os.environ.update(variables)
    with open(log, 'w', buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        sys.exit(launch(arguments))


class Launcher:
    """A launcher in a process of its own, and what it and its workers say.

    Args:
        log (Path): What they say.
        details (Any): What :func:`run_launcher` takes besides.
    """

    def __init__(self, log: Path, *details: Any) -> None:
        self.log = log
        self.process = FORKING.Process(
            target=run_launcher, args=(log, *details)
        )
        self.process.start()

    @property
    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ''

    def lines(self, start: str) -> list[str]:
        return [
            line for line in self.text.splitlines() if line.startswith(start)
        ]

    def wait_for(self, text: str, times: int = 1) -> None:
        end = time.monotonic() + 60
        while self.text.count(text) < times:
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def signal(self, signum: int) -> None:
        os.kill(self.process.pid, signum)

    def vanish(self) -> None:
        """Ends the launcher and its processes as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    def wait(self, seconds: float = 90) -> int:
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.text
        return self.process.exitcode


def enter(namespace: str) -> None:
    """Has this process live in a network namespace."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with open(f'/run/netns/{namespace}') as file:
        assert libc.setns(file.fileno(), 0) == 0, ctypes.get_errno()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    """Starts a launcher whose processes run a piece of Python."""
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    path = os.pathsep.join(filter(None, paths))
    started = []

    def run(
        program: str,
        *options: str,
        namespace: str | None = None,
        ignored: tuple[int, ...] = (),
        **variables: str,
    ) -> Launcher:
        number = len(started)
        script = tmp_path / f'worker{number}.py'
        script.write_text(f'{PRELUDE}\n{program}')
        launcher = Launcher(
            tmp_path / f'{number}.log',
            ['--rdzv-backend=c10d', '--rdzv-id=test', *options, str(script)],
            {'FOLDER': str(tmp_path), 'PYTHONPATH': path, **variables},
            namespace,
            ignored,
        )
        started.append(launcher)
        return launcher

    yield run
    for launcher in started:
        if launcher.process.exitcode is None:
            launcher.vanish()


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


# What every worker of these tests has.
PRELUDE = """
import os, signal, socket, sys, time
from pathlib import Path
from mmuniformer.launch import environment
from mmuniformer.launch.environment import be_done_before, give_up
# A line in one piece: torchrun starts Python unbuffered, and what others say
# would come in between.
sys.stdout.reconfigure(line_buffering=True, write_through=False)
rank, world = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
restarts = environment.restarts()
folder = Path(os.environ['FOLDER'])
print(f'rank {rank} of {world}, restart {restarts}', flush=True)

def wait_for(name):
    end = time.monotonic() + 60
    while not (folder / name).exists() and time.monotonic() < end:
        time.sleep(0.05)
"""
