"""Folders of classes, and lists of images or videos with a class each."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
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
from mmuniformer.errors import UserError
from mmuniformer.owndata.images import files_below
from mmuniformer.owndata.parts import ListPart

SPLITS = dict(train=('train', 'training'), val=('val', 'valid', 'validation'))
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


def split_folders(images: Path) -> dict[str, Path] | None:
    """Folders of training and validation within one, if it has both."""
    found = {}
    for side, names in SPLITS.items():
        for name in names:
            if (images / name).is_dir():
                found.setdefault(side, images / name)
    return found if len(found) == len(SPLITS) else None


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
    folders = [name for name in folders if not name.startswith('.')]
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
                f'{images / folder} is none of --classes'
                f'{suggest(folder, names)}'
            )
    numbers = {name: label for label, name in enumerate(names)}
    labels = [numbers[file.partition('/')[0]] for file in files]
    return ListPart(images, files, labels, names, folders=True)


def read_labelled_list(
    file: Path,
    images: Path,
    suffixes: Sequence[str],
    classes: tuple[str, ...] | None,
) -> tuple[ListPart, list[str]]:
    """Reads a list of files with a class each.

    Columns are divided by commas, tabs, semicolons or spaces; a header says
    which is which. Labels are numbers or names.

    Args:
        file (Path): The list.
        images (Path): The folder that its files are below.
        suffixes (Sequence[str]): Of such files.
        classes (tuple[str, ...], optional): Names that the user gave.

    Returns:
        tuple[ListPart, list[str]]: The samples, and notes.

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
    rows = _columns(file, lines)
    notes = []
    if classes is None:
        beside = class_file(file)
        if beside is not None:
            classes = tuple(beside.names)
            notes.append(f'names of classes are those of {beside.path}')
    names, labels, told = _labels(file, rows, classes)
    notes += told
    files = _found(file, rows, images, suffixes)
    # What the libraries would read of it: a path, one space, a number.
    plain = texts == list_lines(files, labels)
    part = ListPart(images, files, labels, names, file if plain else None)
    return part, notes


def list_lines(
    files: Sequence[str], labels: Sequence[int], delimiter: str = ' '
) -> list[str]:
    """Lines of a list as mmaction2 and mmpretrain read it."""
    return [
        f'{file}{delimiter}{label}'
        for file, label in zip(files, labels, strict=True)
    ]


def _columns(file: Path, lines: list[Line]) -> list[tuple[Line, str, str]]:
    """Line, path and label of each line."""
    first = lines[0]
    delimiter = next((d for d in DELIMITERS if d in first.text), None)
    words = _words(first, delimiter)
    header = is_header(first) and not any(
        whole_number(word) is not None or SUFFIX.search(word) for word in words
    )
    path_at, label_at = 0, -1
    if header:
        columns = [word.strip().lower() for word in words]
        path_at, label_at = _places(file, columns)
        lines = lines[1:]
        if not lines:
            raise UserError(f'{file} has a header and no line below it')
    rows = []
    for line in lines:
        words = _words(line, delimiter)
        if len(words) < 2:
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} has no label; a '
                'line is a path and a class'
            )
        if not header and len(words) > 2:
            what = f'{file}, line {line.number}: {line.text!r} has '
            if delimiter is None:
                # A path, or a name of a class, with spaces in it.
                words = _spaced(words)
            if len(words) == 3 and whole_number(words[1]) is not None:
                raise UserError(
                    f'{what}three columns, as lists of folders of frames '
                    'have; such lists are not read here: name videos'
                )
            if len(words) != 2:
                raise UserError(
                    f'{what}{len(words)} columns and no header says which '
                    'are the path and the class; write one above it '
                    '(path,label)'
                )
        if max(path_at, label_at) >= len(words):
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} has fewer columns '
                'than the header'
            )
        path, label = words[path_at].strip(), words[label_at].strip()
        if not path or not label:
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} has no '
                f'{"label" if path else "path"}'
            )
        rows.append((line, path.replace('\\', '/'), label))
    return rows


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


def _places(file: Path, words: list[str]) -> tuple[int, int]:
    """Columns of the path and of the label of a header."""
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
    for kind, found in (('path', paths), ('label', labels)):
        if len(found) != 1:
            raise UserError(
                f'{file}, line 1: {len(found) or "no"} columns of '
                f'{", ".join(words)} may be the {kind}; name one of them '
                f'{kind}'
            )
    return paths[0], labels[0]


def _labels(
    file: Path,
    rows: Sequence[tuple[Line, str, str]],
    classes: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], list[int], list[str]]:
    """Names of classes, the label of each row, and notes."""
    words = [word for _, _, word in rows]
    numbers = [whole_number(word) for word in words]
    if None not in numbers:
        return _numbered(file, rows, numbers, classes)
    if any(number is not None for number in numbers):
        odd = numbers.index(None)
        line, _, word = rows[odd]
        known = classes or ()
        if not all(w in known for w in words):
            raise UserError(
                f'{file}, line {line.number}: the label {word!r} is a name, '
                'and others are numbers; write all in one way'
            )
    names = classes or tuple(sorted(set(words)))
    for line, _, word in rows:
        if word not in names:
            raise UserError(
                f'{file}, line {line.number}: {word!r} is none of the '
                f'{len(names)} classes{suggest(word, names)}'
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
    rows: Sequence[tuple[Line, str, str]],
    numbers: list[int],
    classes: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], list[int], list[str]]:
    if classes is not None:
        for (line, _, _), number in zip(rows, numbers, strict=True):
            if not 0 <= number < len(classes):
                raise UserError(
                    f'{file}, line {line.number}: there is no class {number}; '
                    f'{len(classes)} names are known, for 0 to '
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
    rows: Sequence[tuple[Line, str, str]],
    images: Path,
    suffixes: Sequence[str],
) -> list[str]:
    """The files of the rows below the folder, with the suffix they have."""
    known: dict[str, str] | None = None
    files, missing = [], []
    for line, path, _ in rows:
        if (images / path).is_file():
            files.append(path)
            continue
        if (images / path).is_dir():
            raise UserError(
                f'{file}, line {line.number}: {images / path} is a folder; '
                'folders of frames are not read here: name videos'
            )
        if known is None:
            below = files_below(images, suffixes)
            known = {name.rpartition('.')[0]: name for name in below}
            known |= {name.rpartition('/')[2]: name for name in below}
        # An id without a suffix, or a name with another folder in front.
        guess = known.get(path) or known.get(path.rpartition('/')[2])
        if guess is None:
            missing.append(f'{path} (line {line.number})')
        else:
            files.append(guess)
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
