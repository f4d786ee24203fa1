"""One training at a time in a work dir.

A training that runs holds a file in its work dir, and touches it every few
seconds. The next one looks at who that is: a process of this host runs or does
not, and what is known of one elsewhere is whether it still touches the file.
Locks of the system would be simpler, and mean nothing on many of the file
systems that the hosts of a cluster share.
"""

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmuniformer.checks.machine import LAUNCHER_ENV
from mmuniformer.engine.backends import now_in, remove_partial_files
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.processes import Process, this_host
from mmuniformer.errors import UserError

NAME = '.training'
# What was not known from the rights of a folder before.
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# Seconds between two touches, and without one after which nobody runs.
BEAT = 10.0
QUIET = 45.0


@contextmanager
def claimed(cfg: Config) -> Iterator[None]:
    """Keeps other trainings out of the work dir of a config.

    What was left in it by a run that was killed is removed first. A run that
    is started again by torchrun, Slurm or Kubernetes finds its own remains,
    and goes on: at once on the same host, else when the other one has been
    quiet for 45 seconds.

    Args:
        cfg (Config): Its ``work_dir`` and ``launcher`` are read. The first
            process of a job holds the folder for all of them.

    Raises:
        UserError: If another training runs there.
    """
    variable = LAUNCHER_ENV.get(cfg.get('launcher', 'none'))
    if variable is not None and int(os.environ.get(variable, 0)) != 0:
        yield
        return
    folder = Path(cfg.work_dir)
    claim = _Claim(folder)
    with readable_errors(cfg):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim.take()
        except OSError as error:
            if error.errno not in _FORBIDDEN:
                raise
            raise UserError(
                f'cannot write into the work dir {folder}: {error.strerror}; '
                'name another one with --work-dir'
            ) from error
    try:
        for path in remove_partial_files(folder):
            _say(f'Removed {path}, which a run that ended was writing.')
        yield
    finally:
        claim.release()


class _Claim:
    """The file that says who trains in a folder.

    Args:
        folder (Path): It exists.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        since = time.strftime('%Y-%m-%d %H:%M:%S')
        this = dict(Process.this().to_dict(), since=since)
        self.text = json.dumps(this) + '\n'
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def take(self) -> None:
        while not self._create():
            with suppress(FileNotFoundError):
                self._make_room(_text(self.path))
        self._thread.start()

    def release(self) -> None:
        self._end.set()
        self._thread.join()
        with suppress(FileNotFoundError):
            if _text(self.path) == self.text:
                self.path.unlink()

    def _create(self) -> bool:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        try:
            # Who makes it, has it: also on NFS.
            file = os.open(self.path, flags, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(file, self.text.encode())
        except OSError as error:
            self.path.unlink(missing_ok=True)
            error.filename = str(self.path)
            raise
        finally:
            os.close(file)
        return True

    def _make_room(self, text: str) -> None:
        """Removes the file of one that ended; a UserError if it runs."""
        other, since = _read(text)
        running = other.is_running()
        if running is None:
            running = self._is_touched(other)
        if running:
            raise UserError(
                f'{self.path.parent} is in use: process {other.number} on '
                f'{other.host or "another host"} trains into it{since}; end '
                'that run first, or name another folder with --work-dir'
            )
        # Of two that come to this, one removes the file that it has seen.
        aside = self.path.with_name(f'{NAME}.{this_host()}.{os.getpid()}')
        os.rename(self.path, aside)
        if _text(aside) == text:
            aside.unlink()
        else:
            os.rename(aside, self.path)

    def _is_touched(self, other: Process) -> bool:
        """Watches the file of a process of another host."""
        first, start = _touched(self.path), time.monotonic()
        said = False
        while time.monotonic() - start < QUIET:
            touched = _touched(self.path)
            if touched != first:
                return True
            if now_in(self.path.parent) - touched > QUIET:
                return False
            if not said:
                said = True
                _say(
                    f'Process {other.number} on {other.host} may be training '
                    f'in {self.path.parent}: waiting at most {QUIET:.0f} s '
                    'for a sign of it.'
                )
            time.sleep(1)
        return False

    def _beat(self) -> None:
        while not self._end.wait(BEAT):
            try:
                if _text(self.path) != self.text:
                    _say(
                        f'Another run has taken over {self.path.parent}: '
                        'this one was quiet for too long.'
                    )
                    return
                # By the clock of the server, where there is one.
                os.utime(self.path)
            except OSError:
                # Nothing is lost before the file has been quiet for long.
                continue


def _text(path: Path) -> str:
    """What is in a file; of a disk that was full or broken, anything."""
    return path.read_text(errors='replace')


def _touched(path: Path) -> float:
    """When a file was touched; opening it, NFS asks its server."""
    with open(path) as file:
        return os.fstat(file.fileno()).st_mtime


def _read(text: str) -> tuple[Process, str]:
    """The process that a file names, and since when."""
    try:
        content = json.loads(text)
        since = content.pop('since')
        content['number'] = int(content['number'])
        return Process(**content), f' since {since}'
    except (ValueError, TypeError, KeyError, AttributeError):
        # It is being written, or its disk was full.
        return Process('', 0), ''


def _say(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)
