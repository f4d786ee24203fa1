"""Where a run writes: files that appear whole, and pictures alone."""

import os
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.visualization import LocalVisBackend

from mmuniformer.errors import UnwritableFile
from mmuniformer.registry import VISBACKENDS


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
        partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
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
