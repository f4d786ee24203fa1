"""Writing the data set of videos, in the format of Kinetics."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from rich.progress import Progress

from mmuniformer.datasets.shapes.build import Request, write_once
from mmuniformer.datasets.shapes.draw import paint_background, render
from mmuniformer.datasets.shapes.motion import MOTIONS, sample_clip

_RATE = 10  # frames per second


@dataclass(frozen=True)
class _Request(Request):
    frames: int = 20
    kind: str = 'videos'

    least: ClassVar = Request.least | {'frames': 2}


def generate_videos(
    out: str | Path,
    train: int = 660,
    val: int = 150,
    size: int = 64,
    frames: int = 20,
    seed: int = 0,
    force: bool = False,
) -> bool:
    """Writes the data set of videos unless it is there.

    A video's class is how something moves, the number of a
    :data:`~mmuniformer.datasets.shapes.motion.MOTIONS`; as many videos show
    the one as the other. Like :func:`~mmuniformer.datasets.shapes.generate`
    in all else::

        out/videos_{train,val}/000001.mp4
        out/shapes_{train,val}_list_videos.txt
        out/label_map.txt

    A line of a list is ``000001.mp4 0``, of the map the name of a class.

    Args:
        out: Folder to write.
        train: Number of training videos.
        val: Number of validation videos.
        size: Width and height in pixels, even and at least 64.
        frames: Length of a video, at least 2, at 10 frames a second.
        seed: Any number from 0.
        force: Write again, in place of a data set that is there.

    Returns:
        Whether anything was written: False if the folder already holds what
        these arguments give.

    Raises:
        ValueError: An argument is out of range.
        FileExistsError: ``out`` holds something else; with ``force``, only
            if that is not a shapes data set.
        OSError: A video cannot be written.
    """
    if size % 2:
        raise ValueError(f'size must be even in a video, not {size}')
    request = _Request(train, val, size, seed, frames=frames)
    return write_once(out, request, _write, force)


def _write(out: Path, request: _Request) -> None:
    with Progress(transient=True) as progress:
        total = request.train + request.val
        task = progress.add_task(f'drawing {total} videos', total=total)
        for number, split in enumerate(('train', 'val')):
            folder = out / f'videos_{split}'
            folder.mkdir(parents=True)
            lines = []
            for index in range(getattr(request, split)):
                rng = np.random.default_rng((request.seed, number, index))
                label = index % len(MOTIONS)
                scenes = sample_clip(
                    rng, MOTIONS[label], request.size, request.frames
                )
                # A video has one background.
                backdrop = paint_background(scenes[0].background, request.size)
                name = f'{index + 1:06d}.mp4'
                write_video(
                    folder / name,
                    [render(scene, rng, backdrop) for scene in scenes],
                )
                lines.append(f'{name} {label}\n')
                progress.advance(task)
            annotations = out / f'shapes_{split}_list_videos.txt'
            annotations.write_text(''.join(lines))
    (out / 'label_map.txt').write_text(''.join(f'{m}\n' for m in MOTIONS))


def write_video(path: Path, frames: list[np.ndarray]) -> None:
    """Writes frames (H, W, 3) uint8, RGB, as MPEG-4.

    The one codec of an mp4 file that OpenCV's wheels have on every platform.

    Raises:
        OSError: The file cannot be written.
    """
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(
        str(path),
        cv2.CAP_FFMPEG,
        cv2.VideoWriter_fourcc(*'mp4v'),
        _RATE,
        (width, height),
    )
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    # OpenCV reports no error at all: neither a missing encoder nor a full
    # disk. An incomplete file has no index, hence no length.
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) != len(frames):
        raise OSError(f'cannot write the video {path}')
    reader.release()
