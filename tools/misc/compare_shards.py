#!/usr/bin/env python
"""Counts the files a second that are read one by one, and out of shards.

Files of random bytes are made, and shards of them; both are read in a
shuffled order, as by the workers of a loader, with no byte of them in memory.
With --delay they are read through a file system in user space, each of whose
answers (to where is it, open it, read of it) takes so long: what a network
does. That needs /dev/fuse, the right to mount, libfuse and `pip install
mfusepy`."""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BATCH = 64


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--files', type=int, default=4000, help='how many (default: 4000)'
    )
    parser.add_argument(
        '--kib',
        type=int,
        default=110,
        help='mean size of a file, in KiB (default: 110, as of ImageNet)',
    )
    parser.add_argument(
        '--shard-mib',
        type=int,
        default=16,
        help='size of a shard, in MiB (default: 16)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        nargs='+',
        default=[1, 8],
        help='processes that read (default: 1 8)',
    )
    parser.add_argument(
        '--delay',
        type=float,
        default=0.0,
        help='milliseconds that each answer takes (default: the disk itself)',
    )
    parser.add_argument(
        '--warm',
        action='store_true',
        help='read what was read before, out of memory',
    )
    parser.add_argument(
        '--folder', help='where to make the files (default: a temporary one)'
    )
    return parser.parse_args()


def make(root: Path, number: int, kib: int, shard_mib: int) -> None:
    """Makes files in 100 folders, and shards of them."""
    import numpy as np

    from mmuniformer.apis import make_shards

    rng = np.random.default_rng(0)
    sizes = (rng.lognormal(0, 0.5, number) * kib * 2**10 / 1.13).astype(int)
    for index, size in enumerate(sizes):
        path = root / 'files' / f'{index % 100:03d}' / f'{index:06d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(int(size) + 1))
    make_shards(str(root / 'files'), str(root / 'shards'), max_mib=shard_mib)
    os.sync()


@contextmanager
def slow(root: Path, delay: float) -> Iterator[Path]:
    """A folder seen through a file system whose answers take time."""
    with tempfile.TemporaryDirectory() as folder:
        server = multiprocessing.Process(
            target=serve, args=(str(root), folder, delay), daemon=True
        )
        server.start()
        try:
            while not os.path.ismount(folder):
                if not server.is_alive():
                    raise SystemExit('the file system cannot be mounted')
                time.sleep(0.05)
            yield Path(folder)
        finally:
            subprocess.run(['umount', folder], check=False)
            server.join(10)


def serve(root: str, folder: str, delay: float) -> None:
    """Answers for files of ``root``, after ``delay`` milliseconds each."""
    import mfusepy

    class Delayed(mfusepy.Operations):
        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict:
            time.sleep(delay / 1e3)
            try:
                found = os.lstat(root + path)
            except FileNotFoundError as error:
                raise mfusepy.FuseOSError(error.errno) from None
            return dict(
                st_mode=found.st_mode,
                st_size=found.st_size,
                st_nlink=found.st_nlink,
                st_mtime=found.st_mtime_ns,
            )

        def readdir(self, path: str, fh: int) -> list[str]:
            return ['.', '..', *os.listdir(root + path)]

        def open(self, path: str, flags: int) -> int:
            time.sleep(delay / 1e3)
            return os.open(root + path, flags)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            time.sleep(delay / 1e3)
            return os.pread(fh, size, offset)

        def release(self, path: str, fh: int) -> int:
            os.close(fh)
            return 0

    mfusepy.FUSE(Delayed(), folder, foreground=True, ro=True)


def paths_of_files(root: Path) -> list[str]:
    """The files, shuffled."""
    import numpy as np

    from mmuniformer.shards import read_samples, read_shard_set

    # Their names are in the shards: no folder has to be listed.
    names = [
        sample.name
        for shard in read_shard_set(root / 'shards' / 'shards.json').shards
        for sample in read_samples(shard)
    ]
    order = np.random.default_rng(1).permutation(len(names))
    return [str(root / 'files' / names[index]) for index in order]


def paths_in_shards(root: Path) -> list[str]:
    """The same as places in shards, in the order of the sampler."""
    from mmuniformer.datasets import ShardedImages, ShardSampler

    dataset = ShardedImages(str(root / 'shards' / 'shards.json'))
    sampler = ShardSampler(dataset, seed=1)
    return [dataset.get_data_info(index)['img_path'] for index in sampler]


def forget(root: Path) -> None:
    """Has the system drop from memory what it has of the files."""
    for path in root.rglob('*.*'):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def rate(paths: Sequence[str], workers: int) -> float:
    """Files a second of some processes, which read batches in turn."""
    context = multiprocessing.get_context('fork')
    start = context.Barrier(workers + 1)
    parts = [
        [p for at in range(w * BATCH, len(paths), workers * BATCH)
         for p in paths[at:at + BATCH]]
        for w in range(workers)
    ]  # fmt: skip
    readers = [
        context.Process(target=_read, args=(start, part)) for part in parts
    ]
    for reader in readers:
        reader.start()
    start.wait()
    begun = time.perf_counter()
    for reader in readers:
        reader.join()
        if reader.exitcode:
            raise SystemExit('a process that reads has failed')
    return len(paths) / (time.perf_counter() - begun)


def _read(start: object, paths: Sequence[str]) -> None:
    from mmengine.fileio import get

    start.wait()
    for path in paths:
        get(path)


def main(args: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table('order', *(f'{n} workers' for n in args.workers))
    ways = {'single files': paths_of_files, 'shards': paths_in_shards}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = Path(folder)
        make(root, args.files, args.kib, args.shard_mib)
        for name, paths in ways.items():
            rates = [
                measured(root, paths, workers, args)
                for workers in args.workers
            ]
            table.add_row(name, *(f'{each:.0f}' for each in rates))
    title = f'files a second, {args.files} of {args.kib} KiB, '
    title += 'warm' if args.warm else 'cold'
    if args.delay:
        title += f', {args.delay:g} ms an answer'
    console = Console()
    console.print(title, highlight=False)
    console.print(table)


def measured(
    root: Path,
    paths_of: Callable[[Path], list[str]],
    workers: int,
    args: argparse.Namespace,
) -> float:
    """One figure of the table."""

    def one(place: Path) -> float:
        paths = paths_of(place)
        if args.warm:
            rate(paths, workers)
        return rate(paths, workers)

    forget(root)
    if not args.delay:
        return one(root)
    # A new mount has nothing in memory.
    with slow(root, args.delay) as place:
        return one(place)


if __name__ == '__main__':
    main(parse_args())
    sys.exit(0)
