"""Checkpoint files on disk: written whole or not at all, checked when read."""

import os
import re
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmuniformer.checkpoint import CheckpointError, read_checkpoint
from mmuniformer.engine.errors import suggest
from mmuniformer.errors import UserError


class AtomicLocalBackend(LocalBackend):
    """Local files that appear complete: a killed process leaves the old one.

    mmengine's backend opens the final name and writes into it, so that a
    process killed meanwhile leaves half a checkpoint under the name that
    ``last_checkpoint`` and the user trust.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes ``obj`` beside ``filepath``, then renames it."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
        try:
            with open(partial, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Writes text as :meth:`put` writes bytes."""
        self.put(obj.encode(encoding), filepath)


def save_atomically() -> None:
    """Makes mmengine write local files through :class:`AtomicLocalBackend`."""
    register_backend('local', AtomicLocalBackend, force=True, prefixes='')


def is_url(path: str) -> bool:
    """Whether ``path`` names a file elsewhere (``https://``, ``s3://``)."""
    return '://' in path


def check_checkpoint(path: str | Path) -> dict:
    """Reads a local checkpoint without running any code from it.

    Args:
        path (str or Path): A checkpoint file.

    Returns:
        dict: Its content, on the CPU.

    Raises:
        UserError: If the file is missing.
        CheckpointError: If it is damaged, no checkpoint, or holds code.
    """
    path = Path(path)
    if not path.is_file():
        siblings = (p.name for p in path.parent.glob('*.pth'))
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise UserError(
            f'checkpoint {path} {what}{suggest(path.name, siblings)}'
        )
    return read_checkpoint(str(path))


def check_resumable(path: str | Path) -> None:
    """Raises a UserError if training cannot go on from the file ``path``."""
    content = check_checkpoint(path)
    needed = ('state_dict', 'optimizer', 'message_hub', 'meta')
    missing = [key for key in needed if key not in content]
    if missing:
        raise UserError(
            f'cannot resume from {path}: it has no {", ".join(missing)}; to '
            'start a new training from its weights, set load_from'
        )


def latest_checkpoint(work_dir: str | Path) -> tuple[str | None, list[str]]:
    """The newest checkpoint of a run that can be resumed.

    Args:
        work_dir (str or Path): Where the run wrote its checkpoints.

    Returns:
        tuple[str or None, list[str]]: The file (None if the run has none
        yet), and a line for each newer one that was passed over.

    Raises:
        UserError: If there are checkpoints and none can be read.
    """
    work_dir = Path(work_dir)
    candidates = sorted(
        (
            path
            for path in work_dir.glob('*.pth')
            if re.fullmatch(r'(epoch|iter)_\d+', path.stem)
        ),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    pointer = work_dir / 'last_checkpoint'
    if pointer.is_file():
        last = Path(pointer.read_text().strip() or '.')
        if not last.is_file():
            # The folder may have been moved since.
            last = work_dir / last.name
        if last.is_file():
            others = [path for path in candidates if path.name != last.name]
            candidates = [last, *others]
    problems = []
    for path in candidates:
        try:
            check_resumable(path)
        except (UserError, CheckpointError) as error:
            problems.append(str(error))
        else:
            return str(path), problems
    if problems:
        raise UserError(
            f'no checkpoint in {work_dir} can be resumed: {problems[0]}'
        )
    return None, []
