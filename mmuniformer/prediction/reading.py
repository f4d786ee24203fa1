"""Inputs one by one: photos by their paths, videos as frames."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmuniformer.errors import UnreadableVideo, UserError
from mmuniformer.prediction.downloads import fetch
from mmuniformer.prediction.sources import PHOTOS, Source

# Of a camera or a video that does not say.
FRAME_RATE = 25.0


@dataclass(frozen=True, eq=False)
class Item:
    """What a model gets at once, or why it cannot be read.

    Attributes:
        source (Source): What it is of.
        place (str): The local file; empty for a camera.
        image (np.ndarray, optional): A frame (H, W, 3), BGR; None for a file
            that the test pipeline reads.
        frame (int, optional): Number of the frame, from 0.
        rate (float): Frames in a second of the video.
        problem (str): What to tell the user.
        temporary (bool): Whether the file is to be deleted after use.
    """

    source: Source
    place: str = ''
    image: np.ndarray | None = None
    frame: int | None = None
    rate: float = FRAME_RATE
    problem: str = ''
    temporary: bool = False

    def forget(self) -> None:
        """Deletes a file that was downloaded."""
        if self.temporary:
            Path(self.place).unlink(missing_ok=True)


def read(
    sources: Sequence[Source],
    whole_videos: bool,
    folder: Path,
    max_download: float,
) -> Iterator[Item]:
    """Reads inputs in their order, and no more of them than is asked for.

    Args:
        sources (Sequence[Source]): The inputs.
        whole_videos (bool): Whether the model takes videos, and no images.
        folder (Path): For what is downloaded.
        max_download (float): Megabytes that one link may have.
    """
    for source in sources:
        try:
            if source.problem:
                raise UserError(source.problem)
            yield from _read(source, whole_videos, folder, max_download)
        except UserError as error:
            yield Item(source, problem=str(error))


def _read(
    source: Source, whole_videos: bool, folder: Path, max_download: float
) -> Iterator[Item]:
    place, kind, temporary = source.file, source.kind, False
    if kind == 'link':
        place, kind = fetch(source.file, folder, max_download)
        temporary = True
    place = os.path.expanduser(place)
    if whole_videos:
        # What has no known suffix may be a video all the same.
        if kind == 'camera' or Path(place).suffix.lower() in PHOTOS:
            raise UserError(
                f'{source.file} is a {kind}, and the model takes whole videos'
            )
        rate = video_rate(place, source.file)
        yield Item(source, str(place), rate=rate, temporary=temporary)
    elif kind == 'photo':
        yield Item(source, str(place), temporary=temporary)
    else:
        video = int(place) if kind == 'camera' else str(place)
        try:
            for number, (rate, image) in enumerate(frames(video, source.file)):
                place = '' if kind == 'camera' else str(place)
                yield Item(source, place, image, number, rate)
        finally:
            if temporary:
                Path(place).unlink(missing_ok=True)


def frames(place: str | int, named: str) -> Iterator[tuple[float, np.ndarray]]:
    """Frames of a video, upright, and its frames in a second.

    Args:
        place (str or int): A local file, or the number of a camera.
        named (str): What the user calls it.

    Yields:
        tuple[float, np.ndarray]: The rate, and a frame (H, W, 3), BGR.

    Raises:
        UnreadableVideo: If there is not a single frame.
    """
    capture = _opened(place, named)
    try:
        rate = _rate(capture)
        ok, image = capture.read()
        if not ok:
            raise UnreadableVideo(_unreadable(place, named))
        while ok:
            yield rate, image
            ok, image = capture.read()
    finally:
        capture.release()


def video_rate(place: str, named: str) -> float:
    """Frames in a second of a video, which is opened for that.

    Raises:
        UnreadableVideo: If it is none.
    """
    capture = _opened(place, named)
    try:
        return _rate(capture)
    finally:
        capture.release()


def _opened(place: str | int, named: str):
    # What its decoders say of a damaged file is said in a line of ours.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    import cv2

    capture = cv2.VideoCapture(place)
    if not capture.isOpened():
        capture.release()
        raise UnreadableVideo(_unreadable(place, named))
    return capture


def _rate(capture) -> float:
    import cv2

    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else FRAME_RATE


def _unreadable(place: str | int, named: str) -> str:
    if isinstance(place, int):
        return f'cannot open camera {place}: it is not there, or in use'
    reason = 'it is damaged, cut off or not a video'
    if Path(place).is_file() and not Path(place).stat().st_size:
        reason = 'it is empty'
    return f'cannot read the video {named}: {reason}'
