"""Writing the data set of pictures with one thing, in folders of classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from mmuniformer.datasets.shapes.build import (
    Request,
    write_once,
    write_picture,
)
from mmuniformer.datasets.shapes.draw import render
from mmuniformer.datasets.shapes.sample import sample_portrait
from mmuniformer.datasets.shapes.scene import CLASSES


@dataclass(frozen=True)
class _Request(Request):
    kind: str = 'portraits'


def generate_portraits(
    out: str | Path,
    train: int = 9000,
    val: int = 300,
    size: int = 64,
    seed: int = 0,
    force: bool = False,
) -> bool:
    """Writes the data set for classification unless it is there.

    A picture shows one thing, whose class is its folder; as many show the one
    class as the other. Colour, size, place and background say nothing about
    it. Like :func:`~mmuniformer.datasets.shapes.generate` in all else::

        out/{train,val}/{person,circle,...}/000001.jpg

    mmpretrain's ``CustomDataset`` numbers the classes in the order of the
    folders' names.

    Args:
        out: Folder to write.
        train: Number of training pictures.
        val: Number of validation pictures.
        size: Width and height in pixels, at least 64.
        seed: Any number from 0.
        force: Write again, in place of a data set that is there.

    Returns:
        Whether anything was written: False if the folder already holds what
        these arguments give.

    Raises:
        ValueError: An argument is out of range.
        FileExistsError: ``out`` holds something else; with ``force``, only
            if that is not a shapes data set.
    """
    return write_once(out, _Request(train, val, size, seed), _write, force)


def _write(out: Path, request: _Request) -> None:
    with Progress(transient=True) as progress:
        total = request.train + request.val
        task = progress.add_task(f'drawing {total} pictures', total=total)
        for number, split in enumerate(('train', 'val')):
            for name in CLASSES:
                (out / split / name).mkdir(parents=True)
            for index in range(getattr(request, split)):
                rng = np.random.default_rng((request.seed, number, index))
                place = index % len(CLASSES)
                scene = sample_portrait(rng, place + 1, request.size)
                name = f'{CLASSES[place]}/{index + 1:06d}.jpg'
                write_picture(out / split / name, render(scene, rng))
                progress.advance(task)
