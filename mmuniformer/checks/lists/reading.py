"""Lists: files of annotations with one sample a line, of text."""

import codecs
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

from mmengine.fileio import list_from_file

from mmuniformer.checks.finding import Finding
from mmuniformer.checks.scan import each, remembered

# Of many findings of a kind, how many lines or files are named.
SHOWN = 5
# The longest ones first: that of UTF-16 begins that of UTF-32.
MARKS = {
    codecs.BOM_UTF32_LE: 'UTF-32',
    codecs.BOM_UTF32_BE: 'UTF-32',
    codecs.BOM_UTF16_LE: 'UTF-16',
    codecs.BOM_UTF16_BE: 'UTF-16',
}
BYTE_ORDER_MARK = '\ufeff'
# The end of a file's name within a line.
SUFFIX = re.compile(r'\.[A-Za-z]\w{1,3}\b')
# Files that hold the names of the classes of a list beside them.
CLASS_FILES = (
    '*label_map*.txt',
    '*labelmap*.txt',
    '*classes*.txt',
    '*class_names*.txt',
    'classInd.txt',
    'labels.txt',
    'categories.txt',
)
# A word of a first line that names its columns: video_path, label, num_frames.
COLUMN = re.compile(
    r'(gt_|n_?|num_|total_)?'
    r'(action|activity|category|class|classes|clip|file|folder|frame|id|image|'
    r'img|index|label|name|offset|path|start|target|video|youtube)s?'
    r'(_?(dir|id|index|name|path))?'
)


class Line(NamedTuple):
    """A line of a list.

    Attributes:
        number (int): From 1.
        text (str): Without its end.
    """

    number: int
    text: str


@dataclass(frozen=True)
class _Fault:
    """What is wrong with lines in the same way; ``what`` is of the first."""

    what: str
    mend: str
    level: Literal['error', 'warning', 'note']
    lines: list[Line]


@dataclass
class Faults:
    """The faults of the lines of a list: one finding for each kind.

    Attributes:
        file (Path): The list.
    """

    file: Path
    _kinds: dict[str, _Fault] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        line: Line,
        what: str,
        mend: str = '',
        level: Literal['error', 'warning', 'note'] = 'error',
    ) -> None:
        """Notes a fault.

        Args:
            kind (str): Faults of a kind are told together.
            line (Line): Where it is.
            what (str): What follows the text of the line in a sentence.
            mend (str): What to do about it.
            level (str): See :class:`Finding`.
        """
        fault = self._kinds.setdefault(kind, _Fault(what, mend, level, []))
        fault.lines.append(line)

    def lines(self, kind: str) -> list[Line]:
        """The lines that have a kind of fault."""
        return self._kinds[kind].lines if kind in self._kinds else []

    def findings(self) -> Iterator[Finding]:
        """A finding for each kind, in the order of their first lines."""
        for fault in self._kinds.values():
            first, *others = fault.lines
            more = ''
            if others:
                numbers = [str(line.number) for line in others[: SHOWN - 1]]
                dots = ', ...' if len(others) >= SHOWN else ''
                more = (
                    f'; {len(others)} more such '
                    f'{"line" if len(others) == 1 else "lines"}: '
                    f'{", ".join(numbers)}{dots}'
                )
            yield Finding(
                f'{self.file}, line {first.number}: {first.text!r} '
                f'{fault.what}{more}',
                fault.mend,
                str(self.file),
                f'line {first.number}',
                fault.level,
            )


def read_list(file: Path) -> tuple[list[Line], list[Finding]]:
    """Reads a list as the host libraries do, by mmengine.

    Returns:
        tuple[list[Line], list[Finding]]: The lines, those of a file with a
        byte-order mark without it, and what is wrong with their encoding;
        no lines where they cannot be told.
    """

    def wrong(what: str, entry: str = '') -> Finding:
        return Finding(
            f'{file}{what}', 'save it as UTF-8 without one', str(file), entry
        )

    content = file.read_bytes()
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return [], [wrong(f' is {name}, with a byte-order mark')]
    try:
        texts = list_from_file(str(file))
    except UnicodeDecodeError as error:
        number = content.count(b'\n', 0, error.start) + 1
        finding = wrong(
            f', line {number}: byte 0x{content[error.start]:02x} is not '
            'UTF-8, which lists are read as',
            f'line {number}',
        )
        mend = 'save it as UTF-8 (it may be Latin-1 or a code page)'
        return [], [replace(finding, mend=mend)]
    if any('\0' in text for text in texts[:SHOWN]):
        finding = wrong(' has zero bytes: it may be UTF-16, or no text')
        return [], [replace(finding, mend='save it as UTF-8')]
    found = []
    if texts and texts[0].startswith(BYTE_ORDER_MARK):
        found.append(
            wrong(
                ', line 1: the file begins with a byte-order mark, which is '
                'taken for a part of the first path',
                'line 1',
            )
        )
        texts[0] = texts[0].removeprefix(BYTE_ORDER_MARK)
    return [Line(n, text) for n, text in enumerate(texts, 1)], found


def is_header(line: Line) -> bool:
    """Whether a line is the first one and names columns."""
    words = re.split(r'[\s,;]+', line.text.strip().lower())
    return line.number == 1 and any(
        COLUMN.fullmatch(word.strip('"\'#')) for word in words
    )


def whole_number(word: str) -> int | None:
    """What ``int`` reads, as the host libraries do; None if it does not."""
    try:
        return int(word)
    except ValueError:
        return None


def add_label(
    faults: Faults, line: Line, label: int, number: int | None, mend: str = ''
) -> None:
    """Notes a label that no class has.

    Args:
        faults (Faults): Of the list.
        line (Line): Where the label is.
        label (int): The label.
        number (int, optional): The number of classes.
        mend (str): What to do if it is too large.
    """
    if label < 0:
        what = f'has the label {label}: labels count from 0'
        faults.add('negative', line, what)
    elif number and label >= number:
        faults.add(
            'too large',
            line,
            f'has the label {label}: the model has {number} classes, so '
            f'labels are 0 to {number - 1}',
            mend,
        )


def from_one(labels: Collection[int], number: int | None) -> str:
    """What to do about labels that count from 1; empty if they do not."""
    if labels and min(labels) == 1 and max(labels) == number:
        return (
            'no line has the label 0: the labels count from 1, make them '
            'count from 0'
        )
    return ''


def add_repeated(
    faults: Faults, samples: Iterable[tuple[tuple, list[int], Line]]
) -> None:
    """Notes lines that are about the same thing.

    Args:
        faults (Faults): Of the list.
        samples (Iterable): What each line is about, its labels, the line.
    """
    known: dict[tuple, tuple[list[int], Line]] = {}
    for key, labels, line in samples:
        others, first = known.setdefault(key, (labels, line))
        if first is line:
            continue
        if sorted(labels) != sorted(others):
            faults.add(
                'two labels',
                line,
                f'has another label than the same in line {first.number}: '
                f'{first.text!r}',
                'keep the right one',
                'warning',
            )
        else:
            what = f'is line {first.number} again'
            faults.add('repeated', line, what, level='note')


@dataclass(frozen=True)
class ClassFile:
    """Names of classes in a file beside a list; no library reads it.

    Attributes:
        path (Path): The file.
        names (list[str]): In the order of the labels.
    """

    path: Path
    names: list[str]


def class_file(file: Path) -> ClassFile | None:
    """The only file of names of classes beside a list.

    Lines with a number each are read by it, as ``1 ApplyEyeMakeup`` of
    UCF101. None if there are several files or none.

    Args:
        file (Path): The list.
    """
    found = {path for form in CLASS_FILES for path in file.parent.glob(form)}
    found.discard(file)
    if len(found) != 1:
        return None
    (path,) = found
    try:
        lines = [line.strip() for line in list_from_file(str(path))]
    except (OSError, UnicodeDecodeError):
        return None
    names = _without_numbers([line for line in lines if line])
    # A list of samples is not one of names.
    if not names or SUFFIX.search(names[0]):
        return None
    return ClassFile(path, names)


def _without_numbers(lines: Sequence[str]) -> list[str]:
    """Names out of lines that count themselves, in front or at the end."""
    words = [line.replace(',', ' ').split() for line in lines]
    if not all(len(w) > 1 for w in words):
        return list(lines)
    for at, name in ((0, slice(1, None)), (-1, slice(None, -1))):
        numbers = [whole_number(w[at]) for w in words]
        if numbers in [list(range(n, n + len(words))) for n in (0, 1)]:
            return [' '.join(w[name]) for w in words]
    return list(lines)


def mend_names(
    names: Sequence[str], file: Path, classes: Sequence[str] | None
) -> str:
    """What to write in place of names of classes.

    Args:
        names (Sequence[str]): Those that a list has for labels.
        file (Path): The list.
        classes (Sequence[str], optional): Those of the config's metainfo.
    """
    beside = class_file(file)
    sources = [
        ('metainfo.classes', list(classes or ())),
        (str(beside.path), beside.names) if beside else ('', []),
    ]
    for source, known in sources:
        numbers = {name: index for index, name in enumerate(known)}
        if names and all(name in numbers for name in names):
            shown = ', '.join(
                f'{numbers[name]} for {name!r}'
                for name in list(dict.fromkeys(names))[:SHOWN]
            )
            return f'write the numbers, by {source}: {shown}'
    return (
        'write the number of the class, counted from 0 in the order of the '
        'classes'
    )


def missing_files(files: Sequence[str], about: str) -> list[str]:
    """Those that are not on this machine's disk.

    What was found is kept until a folder of theirs changes.

    Args:
        files (Sequence[str]): Paths.
        about (str): The name of the check.
    """

    def look() -> list[str]:
        found = each(_exists, files, 'looking for files')
        return [f for f, there in zip(files, found, strict=True) if not there]

    folders = sorted({os.path.dirname(file) for file in files})
    # What is missing has no time by which to notice that it came.
    if not all(map(os.path.isdir, folders)):
        return look()
    return remembered(list(map(Path, folders)), [about, *files], look)


def _exists(file: str) -> bool:
    return os.path.exists(file)


def told(names: Sequence[str]) -> str:
    """The first few names and how many there are besides."""
    more = len(names) - SHOWN
    shown = ', '.join(names[:SHOWN])
    return f'{shown} and {more} more' if more > 0 else shown
