"""Images and videos that a model is trained with and measured on."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from mmuniformer.checks.finding import Finding
from mmuniformer.checks.scan import each
from mmuniformer.checks.summary import Summary

# Bytes that tell most files of one size apart.
BEGINNING = 1 << 16
SHOWN = 3


@dataclass(frozen=True)
class Duplicate:
    """A file of training that another phase has as well.

    Attributes:
        phases (tuple[str, str]): 'train', and 'val' or 'test'.
        files (tuple[Path, Path]): The file as each of them has it.
        same (str): 'path', or 'content' under another name.
    """

    phases: tuple[str, str]
    files: tuple[Path, Path]
    same: str


def duplicates(summaries: Sequence[Summary]) -> list[Duplicate]:
    """Looks for the files of training among those of validation and test.

    Files are the same if their paths are, or their bytes: those of one size
    are read.

    Args:
        summaries (Sequence[Summary]): Of the data sets of a config.
    """
    files = files_of_phases(summaries)
    train = files.pop('train', [])
    found = []
    for phase, others in files.items():
        paths = _paths(train)
        known = [path for path in _paths(others) if path in paths]
        pairs = [(Path(path), Path(path), 'path') for path in known]
        new = [path for path in others if os.path.abspath(path) not in paths]
        pairs += [(*pair, 'content') for pair in _same_content(train, new)]
        found += [Duplicate(('train', phase), (a, b), s) for a, b, s in pairs]
    return found


def files_of_phases(summaries: Sequence[Summary]) -> dict[str, list[Path]]:
    """The files of the data sets of each phase, each once."""
    files = defaultdict(dict)
    for summary in summaries:
        files[summary.phase] |= dict.fromkeys(summary.files)
    return {phase: list(paths) for phase, paths in files.items()}


def check_duplicates(
    found: Sequence[Duplicate], summaries: Sequence[Summary]
) -> Iterator[Finding]:
    """What duplicates mean for the numbers that a run measures.

    Args:
        found (Sequence[Duplicate]): See :func:`duplicates`.
        summaries (Sequence[Summary]): Of the same data sets.
    """
    files = files_of_phases(summaries)
    told = []
    for phase in ('val', 'test'):
        pairs = [d.files for d in found if d.phases[1] == phase]
        if not pairs or pairs in told:
            continue
        told.append(pairs)
        number, total = len({b for _, b in pairs}), len(files[phase])
        # A model is made to learn a few images by heart to see that it can.
        meant = number == total == len(files['train'])
        shown = ', '.join(
            str(b) if a == b else f'{b} (in training {a})'
            for a, b in pairs[:SHOWN]
        )
        yield Finding(
            f'{number} of {total} files of {phase} are files of training: '
            f'{shown}{", ..." if len(pairs) > SHOWN else ""}',
            f'the metrics of {phase} are better than on new images: take them '
            'off one of the two',
            file=str(pairs[0][1]),
            entry=f'{phase}_dataloader',
            level='note' if meant else 'warning',
        )


def _paths(files: Sequence[Path]) -> dict[str, None]:
    return dict.fromkeys(os.path.abspath(file) for file in files)


def _same_content(
    first: Sequence[Path], second: Sequence[Path]
) -> Iterator[tuple[Path, Path]]:
    """Pairs of files of the same bytes."""
    for look in (_size, _beginning, _digest):
        groups = _groups(look, first, second)
        first = [path for paths, _ in groups for path in paths]
        second = [path for _, paths in groups for path in paths]
    for paths, others in groups:
        yield from product(paths[:1], others)


def _groups(
    look: Callable[[Path], Hashable],
    first: Sequence[Path],
    second: Sequence[Path],
) -> list[tuple[list[Path], list[Path]]]:
    """Files by what ``look`` finds, where both sides have some."""
    groups = defaultdict(lambda: ([], []))
    seen = each(look, [*first, *second], 'duplicates')
    for index, (path, key) in enumerate(
        zip([*first, *second], seen, strict=True)
    ):
        if key is not None:
            groups[key][index >= len(first)].append(path)
    return [group for group in groups.values() if all(group)]


def _size(path: Path) -> int | None:
    try:
        # A folder of frames has none, nor has what is elsewhere.
        return path.stat().st_size or None if path.is_file() else None
    except OSError:
        return None


def _beginning(path: Path) -> tuple[int, str] | None:
    try:
        with path.open('rb') as file:
            start = file.read(BEGINNING)
            return path.stat().st_size, hashlib.sha256(start).hexdigest()
    except OSError:
        return None


def _digest(path: Path) -> str | None:
    try:
        with path.open('rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError:
        return None
