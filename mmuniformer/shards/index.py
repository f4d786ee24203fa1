"""What a folder of shards holds: one file for all, and one beside each."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmuniformer.errors import UserError

INDEX = 'shards.json'
VERSION = 1
MADE_BY = 'tools/dataset_tools/make_shards.py'


class Sample(NamedTuple):
    """An image or a video in a tar.

    Attributes:
        name (str): That of its file in the tar: WebDataset's key, and a
            suffix.
        offset (int): Where its bytes begin.
        size (int): How many there are.
        crc (int): Their CRC-32.
        label (int or list[int] or None): Its class or classes.
    """

    name: str
    offset: int
    size: int
    crc: int
    label: int | list[int] | None


@dataclass(frozen=True)
class Shard:
    """A tar of a set.

    Attributes:
        tar (Path): The file.
        size (int): Its bytes.
        number (int): Its samples.
        crc (int, optional): Of its samples, see :func:`crc_of`; None in
            lists of earlier releases.
    """

    tar: Path
    size: int
    number: int
    crc: int | None = None

    @property
    def index(self) -> Path:
        """The file beside it that says where its samples are."""
        return self.tar.with_suffix('.json')

    def problem(self) -> str:
        """What is wrong with its files, for a message; '' if nothing."""
        for file in (self.tar, self.index):
            if not file.exists():
                return f'{file} does not exist'
        size = self.tar.stat().st_size
        if size != self.size:
            return (
                f'{self.tar} has {size} bytes, and its index says '
                f'{self.size}: it is cut off, or was changed since'
            )
        return ''


@dataclass(frozen=True)
class ShardSet:
    """The shards of a folder.

    Attributes:
        index (Path): The file that lists them.
        shards (Sequence[Shard]): In their order.
        classes (tuple[str, ...]): Names by label; none if they were not
            known.
    """

    index: Path
    shards: Sequence[Shard]
    classes: tuple[str, ...]


def read_shard_set(index: str | Path) -> ShardSet:
    """Reads the list of shards, and looks at none of them.

    Args:
        index (str or Path): ``.../shards.json``.

    Raises:
        UserError: If it is missing or no such list.
    """
    index = Path(index)
    content = _read(index, f'{MADE_BY} writes it when all shards are there')
    try:
        shards = [
            Shard(
                index.parent / each['name'],
                each['bytes'],
                each['samples'],
                each.get('crc'),
            )
            for each in content['shards']
        ]
        classes = tuple(content['classes'] or ())
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f'{index} is no list of shards: {error}') from None
    if not shards:
        raise UserError(f'{index} lists no shard')
    return ShardSet(index, shards, classes)


def read_samples(shard: Shard) -> list[Sample]:
    """The samples of a shard, in the order of the tar.

    Raises:
        UserError: If a file of the shard is missing, or the tar is not what
            the index is of.
    """
    problem = shard.problem()
    if problem:
        raise UserError(f'{problem}; {_MEND}')
    content = _read(shard.index, _MEND)
    try:
        samples = [Sample(*values) for values in content['samples']]
    except (KeyError, TypeError) as error:
        raise UserError(f'{shard.index} is no index: {error}') from None
    # Of another seed a shard has other samples, and often the same size.
    is_same = shard.crc in (None, crc_of(samples))
    fits = content.get('bytes') == shard.size and len(samples) == shard.number
    if not (fits and is_same):
        raise UserError(
            f'{shard.index} is of another tar than {INDEX} beside it; {_MEND}'
        )
    return samples


def crc_of(samples: Sequence[Sample]) -> int:
    """A number of what the samples of a shard are, in their order."""
    return zlib.crc32(' '.join(str(s.crc) for s in samples).encode())


_MEND = f'copy the shard anew, or write it again by {MADE_BY}'


def to_json(
    shards: Sequence[Shard], classes: Sequence[str] | None, seed: int
) -> str:
    """The text of :data:`INDEX`."""
    content = dict(
        version=VERSION,
        seed=seed,
        classes=list(classes) if classes else None,
        samples=sum(shard.number for shard in shards),
        shards=[
            dict(name=s.tar.name, bytes=s.size, samples=s.number, crc=s.crc)
            for s in shards
        ],
    )
    return json.dumps(content, indent=1) + '\n'


def samples_to_json(size: int, samples: Sequence[Sample]) -> str:
    """The text of the index beside a tar of so many bytes."""
    lines = ',\n'.join(json.dumps(sample) for sample in samples)
    columns = json.dumps(Sample._fields)
    return (
        f'{{"version": {VERSION}, "bytes": {size}, "columns": {columns},\n'
        f'"samples": [\n{lines}\n]}}\n'
    )


def _read(file: Path, mend: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f'{file} does not exist; {mend}') from None
    except OSError as error:
        raise UserError(f'cannot read {file}: {error.strerror}') from None
    except ValueError as error:
        raise UserError(f'{file} is no JSON ({error}); {mend}') from None
    version = content.get('version') if isinstance(content, dict) else None
    if version != VERSION:
        raise UserError(
            f'{file} is no index of shards of version {VERSION}; {mend}'
        )
    return content
