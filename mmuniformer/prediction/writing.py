"""What is written of each input, below one folder."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmuniformer.errors import UnwritableFile, UserError
from mmuniformer.prediction.drawing import Drawing
from mmuniformer.prediction.files import RESULTS, result_file
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.reading import Item, frames
from mmuniformer.prediction.results import LabelMap, Objects
from mmuniformer.prediction.running import Outcome
from mmuniformer.prediction.sources import Source

PICTURES, VIDEOS = 'pictures', 'videos'
CROPS, LABEL_MAPS = 'crops', 'label_maps'
# Formats that the pictures have, too.
KEPT = ('.jpg', '.jpeg', '.png', '.webp')


@dataclass(frozen=True)
class Wanted:
    """What is to be written besides the results.

    Attributes:
        pictures (bool): Pictures and videos with what was found.
        crops (bool): A picture of each box.
        label_maps (bool): A PNG of the classes of pixels.
        format (str, optional): 'coco' or 'jsonl'.
    """

    pictures: bool = True
    crops: bool = False
    label_maps: bool = False
    format: str | None = None


def check_apart(
    sources: Sequence[Source], folder: Path, boxes: str | Path | None = None
) -> None:
    """Looks that no input lies where outputs are written.

    Args:
        sources (Sequence[Source]): The inputs.
        folder (Path): For the outputs.
        boxes (str or Path, optional): A file that is read, too.

    Raises:
        UserError: If one does: it would be drawn over.
    """
    outputs = [
        (folder / name).resolve()
        for name in (PICTURES, VIDEOS, CROPS, LABEL_MAPS)
    ]
    for source in sources:
        path = Path(source.file).expanduser().resolve()
        if any(output in path.parents for output in outputs):
            raise UserError(
                f'--out-dir {folder}: the input {source.file} lies where '
                'pictures are written; name another folder'
            )
    if boxes is not None and Path(boxes).resolve() in {
        (folder / name).resolve() for name in RESULTS
    }:
        raise UserError(
            f'--out-dir {folder}: the results would take the place of --boxes '
            f'{boxes}; name another folder'
        )


class Writer:
    """Writes outcomes.

    Args:
        folder (Path): It is made.
        predictor (Predictor): The model.
        wanted (Wanted): What to write.
        threshold (float): Least score of a keypoint that is drawn.

    Raises:
        UserError: If the task has no such output.
    """

    def __init__(
        self,
        folder: Path,
        predictor: Predictor,
        wanted: Wanted,
        threshold: float,
    ) -> None:
        if wanted.crops and predictor.task not in ('detection', 'pose'):
            raise UserError(
                '--crops: a model for '
                f'{predictor.task} has no boxes to cut out'
            )
        if wanted.label_maps and predictor.task != 'segmentation':
            raise UserError(
                f'--label-maps: a model for {predictor.task} has none'
            )
        self.folder = folder
        self.predictor = predictor
        self.wanted = wanted
        self.drawing = Drawing(predictor.loaded.metainfo, threshold)
        with self._told():
            folder.mkdir(parents=True, exist_ok=True)
            self.results = result_file(
                wanted.format, folder, predictor, threshold
            )
        self._video: Video | None = None

    def write(self, outcome: Outcome) -> None:
        """Writes all that is wanted of an outcome that has a result."""
        extra: dict[str, Any] = {}
        with self._told():
            if self.wanted.label_maps and isinstance(outcome.result, LabelMap):
                path = self._write_label_map(outcome)
                extra['label_map'] = str(path.relative_to(self.folder))
            self.results.add(outcome.result, extra)
            if self.wanted.crops:
                self._write_crops(outcome)
            if self.wanted.pictures:
                self._draw(outcome)

    def close(self) -> None:
        """Ends the last video and the file of results."""
        with self._told():
            try:
                self._end_video()
            finally:
                self.results.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says in a line that a disk is full, or a folder not to be had."""
        try:
            yield
        except UserError:
            # Some are errors of the system, too, and are told already.
            raise
        except OSError as error:
            raise UnwritableFile(
                f'cannot write into {self.folder}: {error.strerror}'
            ) from error

    def _draw(self, outcome: Outcome) -> None:
        item = outcome.item
        if outcome.image is None:
            # A whole video: its frames are read again, one by one.
            for rate, image in frames(item.place, item.source.file):
                picture = self.drawing.on(image, outcome.result)
                self._add_frame(item, picture, rate)
            self._end_video()
            return
        picture = self.drawing.on(outcome.image, outcome.result)
        if item.frame is not None:
            self._add_frame(item, picture, item.rate)
            return
        suffix = Path(item.place).suffix.lower()
        suffix = suffix if suffix in KEPT else '.jpg'
        write_image(
            self.folder / PICTURES / f'{item.source.output}{suffix}', picture
        )

    def _add_frame(self, item: Item, picture: np.ndarray, rate: float) -> None:
        path = self.folder / VIDEOS / f'{item.source.output}.mp4'
        if self._video is None or self._video.path != path:
            self._end_video()
            self._video = Video(path, rate, picture.shape[:2])
        self._video.add(picture)

    def _end_video(self) -> None:
        if self._video is not None:
            video, self._video = self._video, None
            video.close()

    def _write_label_map(self, outcome: Outcome) -> Path:
        labels = outcome.result.labels
        path = self.folder / LABEL_MAPS / f'{_output(outcome.item)}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(outcome.result.classes) > 256:
            Image.fromarray(labels.astype(np.uint16)).save(path)
            return path
        picture = Image.fromarray(labels.astype(np.uint8), mode='P')
        colours = self.drawing.colours(len(outcome.result.classes))
        table = [value for colour in colours for value in colour[::-1]]
        picture.putpalette(table[: 3 * 256])
        picture.save(path)
        return path

    def _write_crops(self, outcome: Outcome) -> None:
        result = outcome.result
        height, width = outcome.image.shape[:2]
        for number, box in enumerate(result.boxes):
            x1, y1 = np.floor(box[:2]).astype(int).clip(0)
            x2, y2 = np.ceil(box[2:]).astype(int).clip(0, (width, height))
            if x2 <= x1 or y2 <= y1:
                continue
            name = self.predictor.classes[0]
            if isinstance(result, Objects):
                name = result.names[number]
            path = self.folder / CROPS / as_folder(name)
            path /= f'{_output(outcome.item)}-{number}.jpg'
            write_image(path, outcome.image[y1:y2, x1:x2])


class Video:
    """A video that is written frame by frame.

    Args:
        path (Path): The file; its folder is made.
        rate (float): Frames in a second.
        size (tuple[int, int]): Height and width.

    Raises:
        UnwritableFile: If it cannot be written.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self.path, self.size = path, size
        path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter_fourcc(*'mp4v')
        self._writer = cv2.VideoWriter(str(path), code, rate, size[::-1])
        if not self._writer.isOpened():
            raise UnwritableFile(f'cannot write the video {path}')

    def add(self, picture: np.ndarray) -> None:
        """Adds a frame (H, W, 3), BGR; one of another size is scaled."""
        if picture.shape[:2] != self.size:
            picture = cv2.resize(picture, self.size[::-1])
        self._writer.write(picture)

    def close(self) -> None:
        """Makes the file complete.

        Raises:
            UnwritableFile: If it is not: OpenCV says nothing of a full disk.
        """
        self._writer.release()
        capture = cv2.VideoCapture(str(self.path))
        is_whole = capture.isOpened()
        capture.release()
        if not is_whole:
            raise UnwritableFile(
                f'cannot write the video {self.path}: the disk may be full'
            )


def write_image(path: Path, picture: np.ndarray) -> None:
    """Writes a picture (H, W, 3), BGR.

    Raises:
        UnwritableFile: If the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written, code = cv2.imencode(path.suffix, picture)
    if not written:
        raise UnwritableFile(f'cannot write {path} as {path.suffix}')
    try:
        # Not cv2.imwrite, which says neither what nor why.
        path.write_bytes(code.tobytes())
    except OSError as error:
        raise UnwritableFile(
            f'cannot write {path}: {error.strerror}'
        ) from error


def as_folder(name: str) -> str:
    """A name of a class as that of a folder."""
    return re.sub(r'[^\w .+-]', '_', name).strip('. ') or '_'


def _output(item: Item) -> str:
    """Name of what is written of an image or frame, without suffix."""
    if item.frame is None:
        return item.source.output
    return f'{item.source.output}-{item.frame:06d}'
