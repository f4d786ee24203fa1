"""Folders of classes, and lists of images or videos with a class each."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmuniformer.checks.finding import few, suggest
from mmuniformer.checks.lists.reading import (
    SUFFIX,
    Line,
    class_file,
    is_header,
    read_list,
    whole_number,
)
from mmuniformer.checks.walking import is_hidden
from mmuniformer.errors import UserError
from mmuniformer.owndata.images import files_below
from mmuniformer.owndata.parts import ListPart

SPLITS = dict(train=('train', 'training'), val=('val', 'valid', 'validation'))
TEST = ('test', 'testing')
# Files that mmpretrain finds in folders of classes.
FOUND = ('.jpg', '.jpeg', '.png', '.bmp', '.tif')
DELIMITERS = (',', '\t', ';')
# Columns of the label, the better names first.
LABELS = re.compile(
    r'class|label|category|action|activity|class_?name|label_?name|target|'
    r'class_?id|label_?id|class_?index'
)
PATHS = re.compile(
    r'(video|file|image|img|clip)?_?(path|name|file)|filename|video|file|'
    r'image|img|clip|path|id|video_?id|youtube_?id'
)
# The column that says what a sample is for.
SIDES = re.compile('(data_?)?(split|subset|set|partition|phase|usage)')


@dataclass(frozen=True)
class Row:
    """A line of a list.

    Attributes:
        line (Line): The line.
        path (str): Of the file, with ``/`` between its parts.
        label (str): Its class, a name or a number.
        side (str): What its column of a split says; empty without one.
    """

    line: Line
    path: str
    label: str
    side: str = ''


def split_folders(*places: Path) -> dict[str, tuple[Path, ...]] | None:
    """Folders of training and validation within others, if all have both.

    Those of the test are the validation where there is no other.

    Args:
        places (Path): Such as a folder of images and one of labels.

    Returns:
        dict[str, tuple[Path, ...]] or None: By 'train' and 'val', a folder
        of each place.
    """
    inside = [
        {p.name.lower(): p for p in sorted(place.iterdir()) if p.is_dir()}
        for place in places
        if place.is_dir()
    ]
    if len(inside) < len(places):
        return None

    def of(names: Sequence[str]) -> tuple[Path, ...] | None:
        found = [
            next((folders[n] for n in names if n in folders), None)
            for folders in inside
        ]
        return None if None in found else tuple(found)

    train = of(SPLITS['train'])
    val = of(SPLITS['val']) or of(TEST)
    return dict(train=train, val=val) if train and val else None


def read_folders(
    images: Path,
    suffixes: Sequence[str],
    classes: tuple[str, ...] | None,
) -> ListPart:
    """Reads a folder that has a folder for each class.

    Args:
        images (Path): The folder.
        suffixes (Sequence[str]): Of the files that count.
        classes (tuple[str, ...], optional): Names that the user gave, in the
            order of the labels; by default the folders' names, sorted.

    Raises:
        UserError: If there are files beside the folders, or one is empty.
    """
    files = files_below(images, suffixes)
    loose = [file for file in files if '/' not in file]
    if loose:
        raise UserError(
            f'{images} has {len(loose)} files that are in no folder of a '
            f'class: {few(loose)}; give --labels, a list of files and '
            'classes, or put them into folders'
        )
    folders = sorted(p.name for p in images.iterdir() if p.is_dir())
    folders = [name for name in folders if not is_hidden(name)]
    empty = set(folders) - {file.partition('/')[0] for file in files}
    if empty and classes is None:
        raise UserError(
            f'{images / min(empty)} has no file: a class without a sample '
            'cannot be learned; fill it, or take it away'
        )
    names = classes or tuple(folders)
    for folder in folders:
        if folder not in names:
            raise UserError(
                f'{images / folder} is no class of training and none of '
                f'--classes{suggest(folder, names)}'
            )
    numbers = {name: label for label, name in enumerate(names)}
    labels = [numbers[file.partition('/')[0]] for file in files]
    # mmpretrain leaves out files of other kinds.
    same = all(file.lower().endswith(FOUND) for file in files)
    return ListPart(images, files, labels, names, folders=same)


def read_labelled_list(
    file: Path,
    images: Path,
    suffixes: Sequence[str],
    classes: tuple[str, ...] | None,
) -> tuple[dict[str, ListPart], list[str]]:
    """Reads a list of files with a class each.

    Columns are divided by commas, tabs, semicolons or spaces; a header says
    which is which, and may have one of the split. Labels are numbers or
    names.

    Args:
        file (Path): The list.
        images (Path): The folder that its files are below.
        suffixes (Sequence[str]): Of such files.
        classes (tuple[str, ...], optional): Names that the user gave.

    Returns:
        tuple[dict[str, ListPart], list[str]]: The samples, all of them as
        'train' unless a column says what is for 'val', and notes.

    Raises:
        UserError: Naming the line.
    """
    lines, findings = read_list(file)
    if findings and not lines:
        raise UserError(str(findings[0]))
    texts = [line.text.strip() for line in lines]
    lines = [line for line in lines if line.text.strip()]
    if not lines:
        raise UserError(f'{file} is empty')
    rows, notes = _columns(file, lines)
    if classes is None:
        beside = class_file(file)
        if beside is not None:
            classes = tuple(beside.names)
            notes.append(f'names of classes are those of {beside.path}')
    names, labels, told = _labels(file, rows, classes)
    notes += told
    files = _found(file, rows, images, suffixes)
    # What the libraries would read of it: a path, one space, a number.
    plain = (
        texts == list_lines(files, labels)
        and not findings
        and not any(' ' in name for name in files)
    )
    part = ListPart(images, files, labels, names, file if plain else None)
    sides, told = _sides(file, rows)
    parts = {side: part.take(places) for side, places in sides.items()}
    return parts or {'train': part}, notes + told


def _sides(
    file: Path, rows: Sequence[Row]
) -> tuple[dict[str, list[int]], list[str]]:
    """Rows of each side, if a column tells them apart, and notes."""
    if not any(row.side for row in rows):
        return {}, []
    meaning = {name: side for side, names in SPLITS.items() for name in names}
    meaning |= dict.fromkeys(TEST, 'test')
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        side = meaning.get(row.side.lower())
        if side is None:
            raise UserError(
                f'{file}, line {row.line.number}: the split {row.side!r} is '
                f'none of {", ".join(meaning)}; write one of them, or give '
                'the column another name'
            )
        found.setdefault(side, []).append(place)
    if 'train' not in found:
        raise UserError(f'{file}: no line has the split train')
    notes = []
    test = found.pop('test', None)
    if test and 'val' in found:
        notes.append(f'{file}: lines of the test are left out: {len(test)}')
    elif test:
        found['val'] = test
        notes.append(f'{file}: the lines of the test are those of validation')
    return found, notes


def list_lines(
    files: Sequence[str], labels: Sequence[int], delimiter: str = ' '
) -> list[str]:
    """Lines of a list as mmaction2 and mmpretrain read it."""
    return [
        f'{file}{delimiter}{label}'
        for file, label in zip(files, labels, strict=True)
    ]


def _columns(file: Path, lines: list[Line]) -> tuple[list[Row], list[str]]:
    """The rows of a list, and a note on columns that are not read."""
    first = lines[0]
    delimiter = next((d for d in DELIMITERS if d in first.text), None)
    words = _words(first, delimiter)
    # Blank lines may be above it.
    header = is_header(first._replace(number=1)) and not any(
        whole_number(word) is not None or SUFFIX.search(word) for word in words
    )
    path_at, label_at, side_at = 0, -1, None
    notes = []
    if header:
        columns = [
            re.sub(r'[\s-]+', '_', word.strip().lower()) for word in words
        ]
        path_at, label_at, side_at = _places(file, columns)
        lines = lines[1:]
        if not lines:
            raise UserError(f'{file} has a header and no line below it')
        rest = [
            word
            for n, word in enumerate(columns)
            if word and n not in (path_at, label_at, side_at)
        ]
        if rest:
            notes.append(f'{file}: not read are the columns {", ".join(rest)}')
    rows = []
    for line in lines:
        words = _words(line, delimiter)
        if len(words) < 2:
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} has no label; a '
                'line is a path and a class'
            )
        if not header and len(words) > 2:
            words = _path_and_label(file, line, words, delimiter)
        if max(path_at, label_at, side_at or 0) >= len(words):
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} has fewer columns '
                'than the header'
            )
        path, label = words[path_at].strip(), words[label_at].strip()
        side = '' if side_at is None else words[side_at].strip()
        for what, word in (('path', path), ('label', label), ('split', side)):
            if not word and (what != 'split' or side_at is not None):
                raise UserError(
                    f'{file}, line {line.number}: {line.text!r} has no {what}'
                )
        rows.append(Row(line, path.replace('\\', '/'), label, side))
    return rows, notes


def _path_and_label(
    file: Path, line: Line, words: list[str], delimiter: str | None
) -> list[str]:
    """The two of a line that has more words, and no header above it."""
    what = f'{file}, line {line.number}: {line.text!r} has '
    if delimiter is None:
        # A path, or a name of a class, with spaces in it.
        words = _spaced(words)
    if len(words) == 3 and whole_number(words[1]) is not None:
        raise UserError(
            f'{what}three columns, as lists of folders of frames have; such '
            'lists are not read here: name videos'
        )
    if len(words) != 2:
        raise UserError(
            f'{what}{len(words)} columns and no header says which are the '
            'path and the class; write one above it (path,label)'
        )
    return words


def _words(line: Line, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.text.split()
    return next(csv.reader([line.text], delimiter=delimiter))


def _spaced(words: list[str]) -> list[str]:
    """Path and class of a line with more than one space."""
    ends = [n for n, w in enumerate(words) if re.search(r'\.\w{2,4}$', w)]
    if len(ends) != 1 or ends[0] == len(words) - 1:
        return words
    end = ends[0] + 1
    return [' '.join(words[:end]), ' '.join(words[end:])]


def _places(file: Path, words: list[str]) -> tuple[int, int, int | None]:
    """Columns of a header: of the path, the label and, if any, the split."""
    sides = [n for n, w in enumerate(words) if SIDES.fullmatch(w)]
    labels = [n for n, w in enumerate(words) if LABELS.fullmatch(w)]
    paths = [
        n
        for n, w in enumerate(words)
        if PATHS.fullmatch(w) and n not in labels
    ]
    # A number and its name: the name says more.
    named = [n for n in labels if not re.search('(id|index)$', words[n])]
    labels = named if len(labels) > 1 and len(named) == 1 else labels
    exact = [n for n in paths if 'path' in words[n] or 'file' in words[n]]
    paths = exact if len(paths) > 1 and len(exact) == 1 else paths
    if len(words) == 1:
        raise UserError(
            f'{file}, line 1: {words[0]} is the only column; a list has the '
            'path and the label of each file (path,label)'
        )
    for kind, found in (('path', paths), ('label', labels)):
        if len(found) != 1:
            raise UserError(
                f'{file}, line 1: {len(found) or "no"} columns of '
                f'{", ".join(words)} may be the {kind}; name one of them '
                f'{kind} (a column for each class is not read)'
            )
    if len(sides) > 1:
        raise UserError(
            f'{file}, line 1: the columns '
            f'{" and ".join(words[n] for n in sides)} may both be the split; '
            'give one of them another name'
        )
    return paths[0], labels[0], sides[0] if sides else None


def _labels(
    file: Path,
    rows: Sequence[Row],
    classes: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], list[int], list[str]]:
    """Names of classes, the label of each row, and notes."""
    words = [row.label for row in rows]
    numbers = [whole_number(word) for word in words]
    if None not in numbers:
        return _numbered(file, rows, numbers, classes)
    if any(number is not None for number in numbers):
        odd = rows[numbers.index(None)]
        known = classes or ()
        if not all(w in known for w in words):
            raise UserError(
                f'{file}, line {odd.line.number}: {odd.label!r} is a name, '
                'and others are numbers; write all in one way'
            )
    names = classes or tuple(sorted(set(words)))
    for row in rows:
        if row.label not in names:
            raise UserError(
                f'{file}, line {row.line.number}: {row.label!r} is none of '
                f'the {len(names)} classes{suggest(row.label, names)}'
            )
    notes = []
    if classes is None:
        notes.append(
            f'{file}: classes are numbered in the order of their names '
            '(--classes gives another)'
        )
    return names, [names.index(word) for word in words], notes


def _numbered(
    file: Path,
    rows: Sequence[Row],
    numbers: list[int],
    classes: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], list[int], list[str]]:
    if classes is not None:
        for row, number in zip(rows, numbers, strict=True):
            if not 0 <= number < len(classes):
                raise UserError(
                    f'{file}, line {row.line.number}: there is no class '
                    f'{number}; {len(classes)} names are known, for 0 to '
                    f'{len(classes) - 1}'
                )
        return classes, numbers, []
    values = sorted(set(numbers))
    note = (
        f'{file} has numbers and no names: the classes are called '
        f'{few([str(v) for v in values], 5)} (--classes names them)'
    )
    if values != list(range(len(values))):
        note += f'; they are written as 0 to {len(values) - 1}'
    names = tuple(map(str, values))
    return names, [values.index(n) for n in numbers], [note]


def _found(
    file: Path,
    rows: Sequence[Row],
    images: Path,
    suffixes: Sequence[str],
) -> list[str]:
    """The files of the rows below the folder, with the suffix they have."""
    known: dict[str, set[str]] | None = None
    files, missing = [], []
    for row in rows:
        path = row.path
        if (images / path).is_file():
            files.append(path)
            continue
        if (images / path).is_dir():
            raise UserError(
                f'{file}, line {row.line.number}: {images / path} is a '
                'folder; folders of frames are not read here: name videos'
            )
        if known is None:
            known = _ends(files_below(images, suffixes))
        # An id without a suffix, or a name with another folder in front.
        guesses = known[path] or known[path.rpartition('/')[2]]
        if len(guesses) > 1:
            raise UserError(
                f'{file}, line {row.line.number}: {path} is not in {images}, '
                f'and may be {few(sorted(guesses))}; write which'
            )
        if guesses:
            files.append(next(iter(guesses)))
        else:
            missing.append(f'{path} (line {row.line.number})')
    if missing:
        raise UserError(
            f'{file}: {len(missing)} of {len(rows)} files are not in '
            f'{images}: {few(missing)}; say with --images which folder they '
            'are below'
        )
    twice = [name for name, n in Counter(files).items() if n > 1]
    if twice:
        raise UserError(
            f'{file} has {len(twice)} files twice: {few(sorted(twice))}; one '
            'sample has one class'
        )
    return files


def _ends(files: Sequence[str]) -> dict[str, set[str]]:
    """Files by what a list may call them: without suffix, without folder."""
    known = defaultdict(set)
    for name in files:
        for end in (name, name.rpartition('/')[2]):
            known[end].add(name)
            known[end.rpartition('.')[0]].add(name)
    return known
