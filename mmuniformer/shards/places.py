"""Places in shards as paths: ``shard://TAR#OFFSET+SIZE.CRC/NAME``.

mmengine reads them through the backend of this prefix, so that transforms
which load from files load from shards.
"""

import os
import re
import tempfile
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.fileio import BaseStorageBackend, register_backend

from mmuniformer.errors import DamagedSample, UserError
from mmuniformer.shards.index import Sample

PREFIX = 'shard://'
_FORM = re.compile(
    r'shard://(?P<tar>.+?\.tar)#(?P<offset>\d+)\+(?P<size>\d+)\.'
    r'(?P<crc>[0-9a-f]{8})/(?P<name>.+)',
    re.DOTALL,
)
# Files that a thread keeps open. A sampler mixes fewer shards at a time.
MOST_OPEN = 64
_own = threading.local()


def place_of(tar: str | Path, sample: Sample) -> str:
    """The path by which a sample of a tar is read."""
    return (
        f'{PREFIX}{tar}#{sample.offset}+{sample.size}.{sample.crc:08x}/'
        f'{sample.name}'
    )


def tar_of(place: str) -> str:
    """The tar of a place; another path as it is."""
    match = _FORM.fullmatch(place)
    return match['tar'] if match else place


def name_of(place: str) -> str:
    """What a sample is called in its tar; another path as it is."""
    match = _FORM.fullmatch(place)
    return match['name'] if match else place


def read_place(place: str) -> bytes:
    """The bytes of a sample.

    Raises:
        DamagedSample: If they are not those that were written.
        UserError: If the tar is missing, cut off or cannot be read.
    """
    match = _FORM.fullmatch(place)
    if match is None:
        raise UserError(f'{place} is no place in a shard')
    tar, name = match['tar'], match['name']
    size, offset = int(match['size']), int(match['offset'])
    try:
        content = _pread(_descriptor(tar), size, offset)
    except OSError as error:
        raise UserError(
            f'cannot read {name} of the shard {tar}: {error.strerror}'
        ) from error
    if len(content) != size:
        raise UserError(
            f'the shard {tar} is cut off: it ends within or before {name}'
        )
    if zlib.crc32(content) != int(match['crc'], 16):
        raise DamagedSample(
            f'{name} of the shard {tar} is damaged: it is not what was '
            'written (its CRC-32 differs)'
        )
    return content


@register_backend('shard', prefixes='shard', force=True)
class ShardBackend(BaseStorageBackend):
    """mmengine's way to files, for places in shards."""

    def get(self, filepath: str) -> bytes:
        """See :func:`read_place`."""
        return read_place(str(filepath))

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """The same as text."""
        return self.get(filepath).decode(encoding)


@contextmanager
def as_file(content: bytes, suffix: str) -> Iterator[str]:
    """A file in memory, for what opens paths alone: decoders of videos.

    Args:
        content (bytes): What is in it.
        suffix (str): How its name ends.

    Yields:
        str: A path. What has opened it may go on reading afterwards.
    """
    memory = '/dev/shm'
    folder = memory if os.path.isdir(memory) else None
    with tempfile.NamedTemporaryFile(suffix=suffix, dir=folder) as file:
        file.write(content)
        file.flush()
        yield file.name


def _descriptor(tar: str) -> int:
    """An open file. Reading by ``pread``, forked processes may share it."""
    files: OrderedDict[str, int] | None = getattr(_own, 'files', None)
    if files is None:
        files = _own.files = OrderedDict()
    if tar not in files:
        files[tar] = os.open(tar, os.O_RDONLY | os.O_CLOEXEC)
        if len(files) > MOST_OPEN:
            os.close(files.popitem(last=False)[1])
    files.move_to_end(tar)
    return files[tar]


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    parts = []
    while size:
        # Network file systems may give less than was asked for.
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b''.join(parts)
