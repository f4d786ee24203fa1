"""Files below a folder, as the libraries and people mean them."""

import os
from collections.abc import Iterator
from pathlib import Path


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none, as archives from a Mac have."""
    return name.startswith('.') or name == '__MACOSX'


def walk_files(folder: Path) -> Iterator[Path]:
    """Files below a folder that are not hidden, links to folders followed."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        # A link may lead back to where it is.
        real = os.path.realpath(place)
        folders[:] = [n for n in folders if not is_hidden(n)]
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, n) for n in files if not is_hidden(n))
