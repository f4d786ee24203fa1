"""Looking at many files: several processes, progress, nothing twice.

What was seen of a file is kept beside other caches of the user, under the
file's path, size and time, and is taken from there until one of them changes.
"""

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock
from rich.console import Console
from rich.progress import Progress

from mmuniformer.signals import end_with_parent
from mmuniformer.version import __version__

T = TypeVar('T')
R = TypeVar('R')
# Fewer items are done here: starting a process takes longer.
ALONE = 256
MOST_PROCESSES = 16
# Where launchers tell a process its number.
RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


def each(
    work: Callable[[T], R], items: Sequence[T], title: str
) -> Iterator[R]:
    """Applies a function to each item, in several processes if many.

    Args:
        work (Callable): Of a module's top level. It runs in a copy of this
            process, so what it finds in module globals costs nothing.
        items (Sequence): What can be pickled.
        title (str): What the progress bar is called.

    Yields:
        R: The results in the order of the items.
    """
    processes = min(MOST_PROCESSES, _cpus())
    if len(items) < ALONE or processes == 1:
        yield from map(work, items)
        return
    chunk = max(1, min(512, len(items) // (4 * processes)))
    context = multiprocessing.get_context('fork')
    with (
        _progress() as progress,
        ProcessPoolExecutor(processes, context, end_with_parent) as pool,
    ):
        yield from progress.track(
            pool.map(work, items, chunksize=chunk),
            total=len(items),
            description=title,
        )


def remembered(
    files: Sequence[Path], about: Sequence[Any], look: Callable[[], Any]
) -> Any:
    """What ``look`` returns, from the cache while the files are unchanged.

    Args:
        files (Sequence[Path]): What was looked at.
        about (Sequence[Any]): What else the result depends on, first the name
            of the check; values of JSON.
        look (Callable): Returns values of JSON. One process of a machine
            calls it, the others wait for what it found.
    """
    stats = [
        (str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns)
        for f in files
    ]
    text = json.dumps([__version__, stats, about], default=str)
    place = (
        cache_folder() / f'{hashlib.sha256(text.encode()).hexdigest()}.json'
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f'{place}.lock')
        lock.acquire()
    except OSError:
        # A home that cannot be written: slower, and as right.
        return look()
    with lock:
        try:
            return json.loads(place.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            found = look()
        temporary = place.with_suffix('.new')
        temporary.write_text(json.dumps(found), encoding='utf-8')
        temporary.replace(place)
        return json.loads(place.read_text(encoding='utf-8'))


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/mmuniformer/checks``; the folder may be deleted."""
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home, 'mmuniformer', 'checks')


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _progress() -> Progress:
    console = Console(stderr=True)
    # One bar for all processes of a distributed run.
    first = all(os.environ.get(rank, '0') == '0' for rank in RANKS)
    return Progress(
        console=console,
        transient=True,
        disable=not (first and sys.stderr.isatty()),
    )
