"""The file that a run goes on from: one and the same in all processes.

Each process looks for it by itself, and mmengine loads it in each. A node that
does not see it, or another one under that name, would train other weights, or
wait for steps that the others have behind them.
"""

import socket
import time
import zipfile
import zlib
from pathlib import Path

from mmengine.dist import all_gather_object, get_world_size
from mmengine.runner import Runner

from mmuniformer.checks.finding import few
from mmuniformer.errors import UserError

# Seconds after which a network file system shows a new file everywhere.
LATEST = 60


def start_together(runner: Runner) -> None:
    """Has all processes load what the first one has found.

    Args:
        runner (Runner): It has not loaded anything yet.

    Raises:
        UserError: If a process does not see that file, or sees another one.
    """
    if get_world_size() == 1:
        return
    found = all_gather_object((runner._resume, runner._load_from))
    runner._resume, runner._load_from = found[0]
    path = str(runner._load_from or '')
    is_file = all_gather_object(Path(path).is_file())
    # The name of published weights, or a place elsewhere.
    if not is_file[0]:
        return
    if not all(is_file):
        _wait_for(Path(path))
    seen = all_gather_object((socket.gethostname(), _content_of(Path(path))))
    host, content = seen[0]
    places = [(f'process {r} on {h}', c) for r, (h, c) in enumerate(seen)]
    missing = few([place for place, c in places if c is None])
    others = few([place for place, c in places if c != content])
    mend = (
        'the files that a run writes and goes on from have to be on a file '
        'system that all its nodes see'
    )
    if missing:
        raise UserError(
            f'the run goes on from {path} of {host}, which is not there for '
            f'{missing}: {mend}'
        )
    if others:
        raise UserError(
            f'{path} is one file on {host} and another one for {others}: '
            f'{mend}'
        )


def _wait_for(path: Path) -> None:
    end = time.monotonic() + LATEST
    while not path.is_file() and time.monotonic() < end:
        time.sleep(1)


def _content_of(path: Path) -> int | None:
    """A number of what is in a file; None if it is not there.

    Of the checksums that torch's archives have, else of the size: nothing
    long is read.
    """
    try:
        if not zipfile.is_zipfile(path):
            return path.stat().st_size
        with zipfile.ZipFile(path) as file:
            parts = [(i.filename, i.CRC) for i in file.infolist()]
    except (OSError, zipfile.BadZipFile):
        return None
    return zlib.crc32(repr(parts).encode())
