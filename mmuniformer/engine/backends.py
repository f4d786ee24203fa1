"""Where a run writes: files that appear whole, and pictures alone."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.visualization import LocalVisBackend

from mmuniformer.engine.processes import Process, this_host
from mmuniformer.errors import UnwritableFile
from mmuniformer.registry import VISBACKENDS

# .epoch_1.pth.HOST.PROCESS.partial; earlier releases wrote no host.
_PARTIAL = re.compile(
    r'\..+?(?:\.(?P<host>[\w-]+))?\.(?P<number>\d+)\.partial'
)
# Seconds after which nobody writes to a file any more that has not changed.
_ABANDONED = 3600


class AtomicLocalBackend(LocalBackend):
    """Local files that appear complete: a killed process leaves the old one.

    mmengine's backend opens the final name and writes into it, so that a
    process killed meanwhile leaves half a checkpoint under the name that
    ``last_checkpoint`` and the user trust.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes ``obj`` beside ``filepath``, then renames it.

        Raises:
            UnwritableFile: If it cannot be written there.
        """
        path = Path(filepath)
        writer = f'{this_host()}.{os.getpid()}'
        partial = path.with_name(f'.{path.name}.{writer}.partial')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(partial, 'wb') as file:
                    file.write(obj)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            if error.errno is not None and error.filename is None:
                # That of a write names no file.
                error.filename = str(path)
            raise UnwritableFile(
                f'{path} cannot be written: {error.strerror or error}'
            ) from error

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Writes text as :meth:`put` writes bytes."""
        self.put(obj.encode(encoding), filepath)


def save_atomically() -> None:
    """Makes mmengine write local files through :class:`AtomicLocalBackend`."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')


def remove_partial_files(folder: str | Path) -> list[Path]:
    """Removes what processes that were killed have left half written.

    A file of a living process stays, and one of another host until it has not
    changed for an hour: the folder may be shared.

    Args:
        folder (str or Path): Where :class:`AtomicLocalBackend` wrote.

    Returns:
        list[Path]: What was removed.
    """
    removed = [
        path
        for path, writer in _partial_files(Path(folder))
        if not _may_be_written(path, writer)
    ]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _partial_files(folder: Path) -> Iterator[tuple[Path, Process]]:
    for path in sorted(folder.glob('.*.partial')):
        match = _PARTIAL.fullmatch(path.name)
        if match and path.is_file() and not path.is_symlink():
            yield path, Process(match['host'] or '', int(match['number']))


def _may_be_written(path: Path, writer: Process) -> bool:
    running = writer.is_running()
    if running is not None:
        return running
    try:
        return now_in(path.parent) - path.stat().st_mtime < _ABANDONED
    except FileNotFoundError:
        return False


def now_in(folder: Path) -> float:
    """The time by the clock of a folder's file system, in seconds."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix='.clock-') as file:
        return os.fstat(file.fileno()).st_mtime


@VISBACKENDS.register_module()
class PictureBackend(LocalVisBackend):
    """Writes each picture right into ``save_dir``.

    For hooks that cannot be given a folder (mmseg's): LocalVisBackend would
    put the pictures two folders below, among configs and scalars.

    Args:
        save_dir (str): Folder that gets the pictures.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, img_save_dir='')

    def write_into(self, folder: str) -> None:
        """Writes the pictures that follow into another, absolute folder."""
        self._img_save_dir = folder

    def add_config(self, config: Any, **kwargs: Any) -> None:
        """Keeps no config."""

    def add_graph(self, model: Any, data_batch: Any, **kwargs: Any) -> None:
        """Keeps no graph."""

    def add_scalar(self, name: str, value: Any, **kwargs: Any) -> None:
        """Keeps no scalar."""

    def add_scalars(self, scalar_dict: dict, **kwargs: Any) -> None:
        """Keeps no scalars."""
