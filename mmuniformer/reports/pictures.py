"""Samples as they are drawn: their files, colours and order."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.fileio import get
from mmengine.utils.path import scandir

from mmuniformer.reports.content import Picture, Pictures, file_name
from mmuniformer.reports.figures import Panel, panels

_FRAMES = 4
_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
Panels = Sequence[tuple[str, Panel]]


def read_image(path: str) -> np.ndarray | None:
    """An image as pipelines read it (H, W, 3), RGB; None if it is not there.

    Args:
        path (str): A file, a link or a place in a shard.
    """
    try:
        content = np.frombuffer(get(path), np.uint8)
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except (OSError, ValueError, cv2.error, NotImplementedError):
        return None
    return None if image is None else image[..., ::-1]


def read_strip(path: str) -> np.ndarray | None:
    """Frames of a video side by side (H, n * W, 3), RGB, or of its folder."""
    folder = Path(path)
    if folder.is_dir():
        names = sorted(scandir(str(folder), _IMAGES))
        frames = [read_image(str(folder / names[i])) for i in _some(names)]
    else:
        frames = _frames_of(path)
    frames = [frame for frame in frames if frame is not None]
    if not frames:
        return None
    height, width = frames[0].shape[:2]
    frames = [cv2.resize(frame, (width, height)) for frame in frames]
    # In two rows where frames are wide.
    if width > height and len(frames) == _FRAMES:
        rows = [np.concatenate(frames[i : i + 2], 1) for i in (0, 2)]
        return np.concatenate(rows)
    return np.concatenate(frames, 1)


def _frames_of(path: str) -> list[np.ndarray]:
    try:
        content = get(path)
    except (OSError, ValueError, NotImplementedError):
        return []
    with tempfile.NamedTemporaryFile(suffix=Path(path).suffix) as file:
        file.write(content)
        file.flush()
        video = cv2.VideoCapture(file.name)
        frames = []
        for index in _some(range(int(video.get(cv2.CAP_PROP_FRAME_COUNT)))):
            video.set(cv2.CAP_PROP_POS_FRAMES, index)
            read, frame = video.read()
            if read:
                frames.append(frame[..., ::-1])
        video.release()
    return frames


def _some(items: Sequence) -> list[int]:
    if not len(items):
        return []
    places = np.linspace(0, len(items) - 1, min(_FRAMES, len(items)))
    return places.round().astype(int).tolist()


def colours(number: int, palette: object = None) -> list[tuple[int, int, int]]:
    """RGB colours of classes: those of the data set, if it has them all."""
    if isinstance(palette, (list, tuple)) and len(palette) >= number:
        return [tuple(colour) for colour in palette]
    # The golden ratio keeps neighbours apart.
    hues = (np.arange(number) * 0.618034 % 1 * 179).astype(np.uint8)
    values = np.tile(np.array([230, 190, 210], np.uint8), number)[:number]
    hsv = np.stack([hues, np.full_like(hues, 190), values], -1)[None]
    return [
        tuple(colour.tolist())
        for colour in cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    ]


def worst_and_best(
    values: Sequence[float],
    number: int,
    paths: Sequence[str],
    drawn: Callable[[int], tuple[Panels, tuple[int, int]] | None],
    caption: Callable[[int], str],
    by: str,
    size: str = 'large',
) -> list[Pictures]:
    """Pictures of the samples with the lowest and the highest values.

    Args:
        values (Sequence[float]): How good each sample is; what is not finite
            is passed over.
        number (int): How many of each end.
        paths (Sequence[str]): Of the samples.
        drawn (Callable): Gives titles and drawers of panels of a sample, and
            their height and width; None if its file cannot be read.
        caption (Callable): Gives what stands below it.
        by (str): What the values are.
        size (str): Of the pictures on the page, see :class:`Pictures`.
    """
    order = np.argsort(np.asarray(values, float), kind='stable')
    order = [int(i) for i in order if np.isfinite(values[i])]
    number = min(number, len(order))
    found = []
    # A sample is not among both.
    worst = order[:number]
    best = [i for i in order[::-1][:number] if i not in worst]
    for kind, chosen in (('worst', worst), ('best', best)):
        pictures, lost = [], 0
        for rank, index in enumerate(chosen, 1):
            shown = drawn(index)
            if shown is None:
                lost += 1
                continue
            each, shape = shown
            name = file_name(f'{kind}-{rank}', Path(paths[index]).stem)
            png = panels(
                [d for _, d in each], [t for t, _ in each], shape, size
            )
            pictures.append(Picture(name, caption(index), png))
        note = f'By {by}.'
        if lost:
            note += f' Files of {lost} more cannot be read.'
        if chosen:
            title = f'The {kind} samples'
            found.append(Pictures(title, pictures, note, size=size))
    return found
