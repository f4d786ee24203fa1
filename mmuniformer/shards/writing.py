"""Writing shards: shuffled once, by several processes, resumable."""

import io
import multiprocessing
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from shutil import disk_usage

import numpy as np
from filelock import FileLock, Timeout

from mmuniformer.errors import UserError
from mmuniformer.shards.index import (
    INDEX,
    Sample,
    Shard,
    crc_of,
    read_samples,
    read_shard_set,
    samples_to_json,
    to_json,
)
from mmuniformer.signals import end_with_parent

# Threads that ask for the sizes of files: on a network each has to wait.
ASKING = 16
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Source:
    """A file that becomes a sample.

    Attributes:
        path (str): The file.
        key (str): What it is called in its shard, without a suffix.
        label (int or list[int] or None): Its class or classes.
    """

    path: str
    key: str
    label: int | list[int] | None

    @property
    def name(self) -> str:
        """What it is called in its shard."""
        return self.key + os.path.splitext(self.path)[1]


@dataclass(frozen=True)
class _Job:
    """A shard to write: sources, and the size of each."""

    tar: Path
    sources: Sequence[Source]
    sizes: Sequence[int]


def keys_of(paths: Sequence[str]) -> list[str]:
    """Keys for paths, as WebDataset has them: up to the first dot of a name.

    Args:
        paths (Sequence[str]): Relative, with suffixes. Two with one key, as
            a line of a list that is there twice, get numbers.
    """
    keys, seen = [], {}
    for path in paths:
        pure = PurePosixPath(os.path.normpath(path).replace(os.sep, '/'))
        parts = [p for p in pure.parent.parts if p not in ('/', '..')]
        # A dot in a name would begin its suffix there.
        stem = pure.stem.replace('%', '%25').replace('.', '%2E')
        key = '/'.join([*parts, stem])
        number = seen[key] = seen.get(key, 0) + 1
        keys.append(key if number == 1 else f'{key}%{number}')
    return keys


def write_shards(
    sources: Sequence[Source],
    out: Path,
    classes: Sequence[str] | None = None,
    max_bytes: int = 2**28,
    max_samples: int = 10**6,
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Writes files into shards as they are, in an order shuffled by a seed.

    What is there of an earlier call with the same values is kept, so that
    one that was ended goes on. Files appear whole.

    Args:
        sources (Sequence[Source]): The samples.
        out (Path): Folder of the shards.
        classes (Sequence[str], optional): Names by label.
        max_bytes (int): The size from which a shard gets no more samples.
        max_samples (int): The most samples of a shard.
        seed (int): Of the order.
        processes (int): That read and write.
        progress (Callable): Told bytes that are done, and all of them.

    Returns:
        int: Shards that were written by this call.

    Raises:
        UserError: If a file is missing, empty or changes meanwhile, if
            ``out`` has other shards or no room, or if somebody else is
            writing there.
    """
    with _locked(out):
        for left in out.glob('.*.partial'):
            left.unlink()
        jobs = list(_cut(sources, out, max_bytes, max_samples, seed))
        missing = [job for job in jobs if not _is_there(job)]
        _check_nothing_else(out, jobs)
        size = sum(sum(job.sizes) for job in missing)
        if size > disk_usage(out).free:
            raise UserError(
                f'{out} has {disk_usage(out).free / 2**30:.1f} GiB of room, '
                f'and the shards need {size / 2**30:.1f}'
            )
        done = 0
        for job in _written(missing, min(processes, len(missing))):
            done += sum(job.sizes)
            progress(done, size)
        shards = [_described(job) for job in jobs]
        try:
            _put(out / INDEX, to_json(shards, classes, seed).encode())
        except OSError as error:
            raise UserError(
                f'cannot write {out / INDEX}: {error.strerror}'
            ) from error
    return len(missing)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Makes a folder, if need be, and writes into it alone."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / '.lock').acquire(timeout=0)
    except Timeout:
        raise UserError(f'another process is writing into {out}') from None
    except OSError as error:
        raise UserError(
            f'cannot write into {out}: {error.strerror}'
        ) from error
    with lock:
        yield


def _described(job: _Job) -> Shard:
    shard = Shard(job.tar, job.tar.stat().st_size, len(job.sources))
    return replace(shard, crc=crc_of(read_samples(shard)))


def _cut(
    sources: Sequence[Source],
    out: Path,
    max_bytes: int,
    max_samples: int,
    seed: int,
) -> Iterator[_Job]:
    """The jobs of all shards, the same for the same values."""
    sizes = _sizes(sources)
    order = np.random.default_rng(seed).permutation(len(sources))
    number, part, size = 0, [], 0
    for index in order:
        if part and (size >= max_bytes or len(part) >= max_samples):
            yield _job(out, number, sources, sizes, part)
            number, part, size = number + 1, [], 0
        part.append(index)
        size += sizes[index]
    if part:
        yield _job(out, number, sources, sizes, part)


def _job(
    out: Path,
    number: int,
    sources: Sequence[Source],
    sizes: Sequence[int],
    part: Sequence[int],
) -> _Job:
    return _Job(
        out / f'shard-{number:06d}.tar',
        [sources[index] for index in part],
        [sizes[index] for index in part],
    )


def _sizes(sources: Sequence[Source]) -> list[int]:
    with ThreadPoolExecutor(ASKING) as pool:
        sizes = list(pool.map(_size, [source.path for source in sources]))
    for size, what in ((-1, 'no file'), (0, 'an empty file')):
        wrong = [
            s.path for s, n in zip(sources, sizes, strict=True) if n == size
        ]
        if wrong:
            more = f', as are {len(wrong) - 1} more' if wrong[1:] else ''
            raise UserError(
                f'{wrong[0]} is {what}{more}; mend the list or folder'
            )
    return sizes


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _is_there(job: _Job) -> bool:
    """Whether a shard was written before, of the same samples."""
    if not (job.tar.exists() and job.tar.with_suffix('.json').exists()):
        return False
    shard = Shard(job.tar, job.tar.stat().st_size, len(job.sources))
    now = [(s.name, n, s.label) for s, n in zip(
        job.sources, job.sizes, strict=True)]  # fmt: skip
    try:
        same = [(s.name, s.size, s.label) for s in read_samples(shard)] == now
    except UserError:
        same = False
    if not same:
        raise UserError(
            f'{job.tar} has other samples than it would get now: other '
            'files, sizes or settings; name a new folder, or empty it'
        )
    return True


def _check_nothing_else(out: Path, jobs: Sequence[_Job]) -> None:
    """Looks for shards of an earlier set, which had more of them."""
    known = {job.tar for job in jobs}
    others = sorted(set(out.glob('shard-*.tar')) - known)
    if others:
        raise UserError(
            f'{others[0]} is of other shards; name a new folder, or empty it'
        )
    if (out / INDEX).exists():
        before = read_shard_set(out / INDEX)
        if {shard.tar for shard in before.shards} != known:
            raise UserError(f'{out / INDEX} is of other shards; remove it')


def _written(jobs: Sequence[_Job], processes: int) -> Iterator[_Job]:
    if processes < 2:
        yield from map(_write, jobs)
        return
    context = multiprocessing.get_context('fork')
    pool = ProcessPoolExecutor(processes, context, end_with_parent)
    try:
        for future in as_completed([pool.submit(_write, j) for j in jobs]):
            yield future.result()
    finally:
        # After an error or Ctrl-C the shards that were begun are finished.
        pool.shutdown(cancel_futures=True)


def _write(job: _Job) -> _Job:
    """Writes a tar, then its index: what has one is whole."""
    tar = job.tar
    partial = _partial(tar)
    try:
        with open(partial, 'wb') as file:
            samples = list(_add_all(file, job))
            file.flush()
            os.fsync(file.fileno())
        size = partial.stat().st_size
        os.replace(partial, tar)
        index = tar.with_suffix('.json')
        _put(index, samples_to_json(size, samples).encode())
    except OSError as error:
        raise UserError(f'cannot write {tar}: {error.strerror}') from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return job


def _add_all(file: io.BufferedWriter, job: _Job) -> Iterator[Sample]:
    # GNU's form: names of any length, no header that depends on the locale.
    with tarfile.open(
        fileobj=file, mode='w', format=tarfile.GNU_FORMAT
    ) as tar:
        for source, size in zip(job.sources, job.sizes, strict=True):
            content = _content(source, size)
            offset = _add(tar, source.name, content)
            if source.label is not None:
                labels = source.label
                labels = labels if isinstance(labels, list) else [labels]
                text = ' '.join(map(str, labels)).encode()
                _add(tar, f'{source.key}.cls', text)
            crc = zlib.crc32(content)
            yield Sample(source.name, offset, size, crc, source.label)


def _content(source: Source, size: int) -> bytes:
    try:
        content = Path(source.path).read_bytes()
    except OSError as error:
        raise UserError(
            f'cannot read {source.path}: {error.strerror}'
        ) from error
    if len(content) != size:
        raise UserError(f'{source.path} changed while it was read')
    return content


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Adds a file; gives the offset of its bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o444
    tar.addfile(info, io.BytesIO(content))
    return tar.offset - -(-len(content) // BLOCK) * BLOCK


def _put(path: Path, content: bytes) -> None:
    """Writes a file that appears whole."""
    partial = _partial(path)
    with open(partial, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _partial(path: Path) -> Path:
    return path.with_name(f'.{path.name}.{os.getpid()}.partial')
