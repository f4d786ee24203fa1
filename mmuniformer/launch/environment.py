"""What the launcher and the processes that it starts tell each other.

The launcher sets variables; a process answers with files in a folder that one
of them names. Without that folder, nothing here does anything.
"""

import os
import time
from pathlib import Path

from mmuniformer.errors import UserError

# Seconds that a process waits for the others, if the user has set them.
TIMEOUT = 'MMUNIFORMER_TIMEOUT'
DEFAULT_TIMEOUT = 1800
# Seconds in which processes save after a signal; then they are killed.
GRACE = 'GRACE'
DEFAULT_GRACE = 60
# How often the processes of this run have been started again, on any node.
RESTARTS = 'MMUNIFORMER_RESTARTS'
# When they were first started, in seconds since 1970.
STARTED = 'MMUNIFORMER_STARTED'
# The folder for the answers, which bear the number of the process.
ANSWERS = 'MMUNIFORMER_ANSWERS'
# The number of the launcher's own process.
LAUNCHER = 'MMUNIFORMER_LAUNCHER'
# A process that waits for others in vain says so itself, before it is ended.
MARGIN = 15


def timeout() -> int | None:
    """Seconds that a process shall wait for others; None if nobody said.

    Raises:
        UserError: If what was said is no number of seconds.
    """
    return _seconds(TIMEOUT)


def grace() -> int | None:
    """Seconds to save in after a signal; None if nobody said.

    Raises:
        UserError: If what was said is no number of seconds.
    """
    return _seconds(GRACE)


def _seconds(name: str) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UserError(
            f'{name.removeprefix("MMUNIFORMER_")}={text}: it is a number of '
            'seconds, from 1'
        )
    return int(text)


def restarts() -> int:
    """How often this run has been started again, by any of torch's agents."""
    # torchrun's own count leaves out restarts for a node that came or went.
    names = (RESTARTS, 'TORCHELASTIC_RESTART_COUNT')
    return max(int(os.environ.get(name) or 0) for name in names)


def first_start() -> float:
    """When the run was first started (seconds since 1970); 0 if unknown."""
    return float(os.environ.get(STARTED) or 0)


def launcher() -> int | None:
    """The process that has started this one; None if that was nobody."""
    text = os.environ.get(LAUNCHER)
    return int(text) if text else None


def is_watched() -> bool:
    """Whether there is a launcher that reads the answers."""
    return ANSWERS in os.environ


def be_done_before(seconds: float, has_stepped: bool) -> None:
    """Promises the launcher another sign of life within some time.

    Args:
        seconds (float): The launcher ends this process if it hears nothing
            for so long, and :data:`MARGIN` more.
        has_stepped (bool): Whether a step has been done since the start.
    """
    if not is_watched():
        return
    file = answer(os.getpid())
    if not file.exists() or (has_stepped and not file.stat().st_size):
        file.write_bytes(b'1' if has_stepped else b'')
    deadline = time.time() + seconds + MARGIN
    os.utime(file, (deadline, deadline))


def give_up() -> None:
    """Tells the launcher that the error of this process would come again."""
    if is_watched():
        answer(os.getpid()).with_suffix('.final').touch()


def answer(pid: int) -> Path:
    """The file of a process: its time is the deadline that it has set."""
    return Path(os.environ[ANSWERS], str(pid))
