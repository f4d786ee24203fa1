"""Writing the data set to disk, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from rich.progress import Progress

from mmuniformer.datasets.shapes.coco import (
    annotations_of,
    instances_file,
    keypoints_file,
)
from mmuniformer.datasets.shapes.draw import owner_map, render
from mmuniformer.datasets.shapes.sample import sample_scene

_RECORD = 'shapes.json'
# Raised whenever the same request would give other pixels or labels.
_VERSION = 1
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class Request:
    """What determines the content, recorded beside it."""

    train: int
    val: int
    size: int
    seed: int
    version: int = _VERSION

    least: ClassVar = {'train': 1, 'val': 1, 'size': 64, 'seed': 0}

    def __post_init__(self):
        for name, low in self.least.items():
            value = getattr(self, name)
            if value < low:
                raise ValueError(f'{name} must be at least {low}, not {value}')


def generate(
    out: str | Path,
    train: int = 600,
    val: int = 100,
    size: int = 160,
    seed: int = 0,
    force: bool = False,
) -> bool:
    """Writes the data set of pictures unless it is there.

    The same arguments give the same bytes (with the same OpenCV). Picture
    ``k`` of a split does not depend on how many there are. The folder
    appears under its name only when it is complete::

        out/images/{train,val}/000001.jpg
        out/segmentation/{train,val}/000001.png
        out/annotations/instances_{train,val}.json
        out/annotations/person_keypoints_{train,val}.json

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
    return write_once(out, Request(train, val, size, seed), _write, force)


def write_once(
    out: str | Path,
    request: Request,
    write: Callable[[Path, Request], None],
    force: bool,
) -> bool:
    """Has ``write`` fill a folder, unless it holds what is requested.

    Returns and raises what :func:`generate` does.
    """
    out = Path(out).resolve()
    if not _must_write(out, request, force):
        return False
    # Beside `out`, so that the last step is one rename.
    draft = out.with_name(f'.{out.name}.{os.getpid()}')
    shutil.rmtree(draft, ignore_errors=True)
    try:
        write(draft, request)
        _write_json(draft / _RECORD, asdict(request))
        if out.exists():
            shutil.rmtree(out)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _must_write(out: Path, request: Request, force: bool) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return True
    try:
        there = json.loads((out / _RECORD).read_text())
    except (OSError, ValueError):
        raise FileExistsError(
            f'{out} exists and is not a shapes data set: choose another folder'
        ) from None
    if force:
        return True
    if there == asdict(request):
        return False
    raise FileExistsError(
        f'{out} holds another shapes data set ({_describe(there)}, not '
        f'{_describe(asdict(request))}): use --force to replace it'
    )


def _describe(record: dict) -> str:
    return ' '.join(f'{key}={value}' for key, value in record.items())


def _write(out: Path, request: Request) -> None:
    with Progress(transient=True) as progress:
        total = request.train + request.val
        task = progress.add_task(f'drawing {total} scenes', total=total)
        for number, split in enumerate(('train', 'val')):
            for folder in ('images', 'segmentation'):
                (out / folder / split).mkdir(parents=True)
            images, annotations = [], []
            for index in range(getattr(request, split)):
                seed = (request.seed, number, index)
                image, items = _write_scene(
                    out, split, index + 1, request.size, seed
                )
                images.append(image)
                annotations += items
                progress.advance(task)
            annotations = [
                {'id': identity, **item}
                for identity, item in enumerate(annotations, 1)
            ]
            _write_json(
                out / 'annotations' / f'instances_{split}.json',
                instances_file(images, annotations),
            )
            _write_json(
                out / 'annotations' / f'person_keypoints_{split}.json',
                keypoints_file(images, annotations),
            )


def _write_scene(
    out: Path, split: str, image_id: int, size: int, seed: tuple[int, ...]
) -> tuple[dict, list[dict]]:
    """Image and semantic map of one scene; returns what COCO says of it."""
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, size)
    owner = owner_map(scene)
    labels = np.array([0, *(thing.label for thing in scene.things)], np.uint8)
    name = f'{image_id:06d}'
    picture = out / 'images' / split / f'{name}.jpg'
    write_picture(picture, render(scene, rng))
    _write_image(out / 'segmentation' / split / f'{name}.png', labels[owner])
    image = {
        'id': image_id,
        'file_name': f'{name}.jpg',
        'width': size,
        'height': size,
    }
    return image, annotations_of(scene, owner, image_id)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Writes a picture (H, W, 3) uint8, RGB, as JPEG.

    Raises:
        OSError: The file cannot be written.
    """
    _write_image(
        path,
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
    )


def _write_image(path: Path, image: np.ndarray, options=()) -> None:
    # OpenCV's imwrite reports a full disk by its return value alone.
    done, data = cv2.imencode(path.suffix, image, options)
    if not done:
        raise OSError(f'cannot encode {path}')
    path.write_bytes(data.tobytes())


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, separators=(',', ':')))
