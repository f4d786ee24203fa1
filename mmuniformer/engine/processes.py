"""Which process wrote a file, and whether it still runs.

A number of a process says little: it is given again, after a restart of the
machine first of all, and in every container there is a 1.
"""

import os
import re
import socket
from dataclasses import asdict, dataclass
from functools import cache


@dataclass(frozen=True)
class Process:
    """A process, as one of another time or machine can know it.

    Attributes:
        host (str): The machine or container: its name, and the space in which
            it numbers processes.
        number (int): Its id there.
        started (str): When it was started, where the system says so.
    """

    host: str
    number: int
    started: str = ''

    @classmethod
    def this(cls) -> 'Process':
        """The process that asks."""
        number = os.getpid()
        return cls(this_host(), number, _started(number))

    def is_running(self) -> bool | None:
        """Whether it runs; None if nobody knows, of another host or boot."""
        boot, _, _ = self.started.partition('+')
        # Machines may have one name: those of a cloud, of a cluster's image.
        if self.host != this_host() or (boot and boot != _boot()):
            return None
        if not _exists(self.number):
            return False
        started = _started(self.number)
        # Another user's may not be looked at.
        return not (self.started and started) or started == self.started

    def to_dict(self) -> dict:
        """What :class:`Process` takes, for a file."""
        return asdict(self)


@cache
def this_host() -> str:
    """Name of this machine or container, fit for the name of a file."""
    name = re.sub(r'[^\w-]', '-', socket.gethostname())[:40]
    try:
        space = os.readlink('/proc/self/ns/pid')
    except OSError:
        return name
    return f'{name}-{re.sub("[^0-9]", "", space)}'


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    # A zombie does nothing any more.
    return _status(number)[:1] != ['Z']


def _started(number: int) -> str:
    """Boot of the machine, and ticks since then, at its start."""
    status, boot = _status(number), _boot()
    return f'{boot}+{status[19]}' if boot and len(status) > 19 else ''


@cache
def _boot() -> str:
    """What this boot of this machine is called, and no other one."""
    try:
        with open('/proc/sys/kernel/random/boot_id') as file:
            return file.read().strip()
    except OSError:
        return ''


def _status(number: int) -> list[str]:
    """Linux's fields of a process, from its state on."""
    try:
        with open(f'/proc/{number}/stat') as file:
            # The name before them may have brackets and spaces.
            return file.read().rpartition(')')[2].split()
    except OSError:
        return []
