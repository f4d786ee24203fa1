"""A data set of files as shards."""

import os
import sys
from pathlib import Path

from mmengine.fileio import list_dir_or_file
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mmuniformer.checks import stop_on_errors
from mmuniformer.checks.lists.reading import read_list, whole_number
from mmuniformer.errors import UserError
from mmuniformer.shards import INDEX, Source, read_shard_set, write_shards
from mmuniformer.shards.writing import keys_of

# What mmpretrain's CustomDataset takes for an image, other images, videos.
SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif')
SUFFIXES += ('.avi', '.gif', '.mkv', '.mov', '.mp4', '.mpg', '.webm', '.webp')


def make_shards(
    source: str,
    out: str,
    ann_file: str | None = None,
    delimiter: str = ' ',
    multi_class: bool = False,
    classes: str | None = None,
    max_mib: int = 256,
    max_samples: int = 100_000,
    seed: int = 0,
    processes: int = 4,
) -> int:
    """Writes a data set of images or videos as shards.

    The files go into tars of WebDataset's form as they are, in an order that
    is shuffled by ``seed``. A call that was ended goes on where it was.

    Args:
        source (str): Folder of classes, each with its files, as mmpretrain
            reads it; or the folder that the paths of ``ann_file`` are below.
        out (str): Folder of the shards.
        ann_file (str, optional): List with a path and a label in each line,
            as mmpretrain and mmaction2 read it.
        delimiter (str): What is between path and label.
        multi_class (bool): Whether all words after the first are labels.
        classes (str, optional): File with a name in each line, by label.
            Those of folders are their names.
        max_mib (int): The size from which a shard gets no more samples.
        max_samples (int): The most samples of a shard.
        seed (int): Of the order.
        processes (int): That read and write.

    Returns:
        int: 0.

    Raises:
        UserError: See :func:`mmuniformer.shards.write_shards`; or if the
            list has a line of another form.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise UserError(f'{folder} is no folder')
    if min(max_mib, max_samples, processes) < 1:
        raise UserError('sizes and numbers of processes are from 1')
    names = _lines(Path(classes)) if classes else None
    if ann_file:
        sources = _of_list(folder, Path(ann_file), delimiter, multi_class)
    else:
        if Path(out).resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f'{out} is within {folder}, whose folders are classes: it '
                'would be one of them; name another folder for the shards'
            )
        folders, sources = _of_folders(folder)
        if names is not None and len(names) != len(folders):
            raise UserError(
                f'{classes} has {len(names)} names, and {folder} has '
                f'{len(folders)} folders'
            )
        names = names or folders
    console = Console(stderr=True)
    with Progress(
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task('', total=None)
        written = write_shards(
            sources,
            Path(out),
            names,
            max_mib * 2**20,
            max_samples,
            seed,
            processes,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    shards = read_shard_set(Path(out, INDEX)).shards
    size = sum(shard.size for shard in shards) / 2**20
    console.print(
        f'{out}: {len(sources)} samples in {len(shards)} shards of '
        f'{size:.0f} MiB together, {written} of them written now',
        soft_wrap=True,
        highlight=False,
    )
    return 0


def _of_folders(root: Path) -> tuple[list[str], list[Source]]:
    """Classes and samples of a folder, in mmpretrain's order."""
    folders = sorted(list_dir_or_file(str(root), list_file=False))
    paths, labels = [], []
    for label, folder in enumerate(folders):
        files = list_dir_or_file(
            str(root / folder), list_dir=False, recursive=True
        )
        for file in sorted(files):
            if file.lower().endswith(SUFFIXES):
                paths.append(os.path.join(folder, file))
                labels.append(label)
    if not paths:
        raise UserError(
            f'{root} has no folders with images or videos; for a folder '
            'without classes give a list'
        )
    return folders, _sources(root, paths, labels)


def _of_list(
    root: Path, file: Path, delimiter: str, multi_class: bool
) -> list[Source]:
    if not file.is_file():
        raise UserError(f'{file} does not exist')
    # As a shell gives the two characters that people type for a tab.
    delimiter = delimiter.replace('\\t', '\t')
    if not delimiter:
        raise UserError(
            'the delimiter is empty: name what is between path and label'
        )
    lines, wrong = read_list(file)
    stop_on_errors(wrong)
    paths, labels = [], []
    for line in lines:
        text = line.text.strip()
        if multi_class:
            path, *words = text.split(delimiter)
        else:
            path, *words = text.rsplit(delimiter, 1)
        numbers = [whole_number(word) for word in words]
        if not path or not numbers or None in numbers:
            raise UserError(
                f'{file}, line {line.number}: {line.text!r} is not of the '
                f'form {f"path{delimiter}label"!r}'
            )
        paths.append(path)
        labels.append(numbers if multi_class else numbers[0])
    if not paths:
        raise UserError(f'{file} is empty')
    _check_no_frames(root, paths[0].rsplit(delimiter, 1)[0], file)
    return _sources(root, paths, labels)


def _check_no_frames(root: Path, path: str, file: Path) -> None:
    """A line of a list of frames is a folder, a number of them, a label."""
    if path and (root / path).is_dir():
        raise UserError(
            f'{root / path} is a folder: {file} is a list of frames. Shards '
            'hold images and videos; name the list of the videos, or train '
            'from the folders of frames'
        )


def _sources(root: Path, paths: list[str], labels: list) -> list[Source]:
    return [
        Source(str(root / path), key, label)
        for path, key, label in zip(paths, keys_of(paths), labels, strict=True)
    ]


def _lines(file: Path) -> list[str]:
    if not file.is_file():
        raise UserError(f'{file} does not exist')
    lines, wrong = read_list(file)
    stop_on_errors(wrong)
    return [line.text.strip() for line in lines if line.text.strip()]
