"""Images by which the numbers of 8 bits are chosen."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmuniformer.deployment.networks.base import channels_of
from mmuniformer.deployment.pipelines import pixels_of, reads_rgb
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import LoadedModel
from mmuniformer.prediction.poses import Filed, PosePredictor
from mmuniformer.prediction.predictor import Predictor, Prepared
from mmuniformer.prediction.reading import Item
from mmuniformer.prediction.sources import Source, find_sources, videos_among

# More of them change next to nothing.
MOST = 300
# With fewer, what is rare in them decides.
FEWEST = 10
# Of a box, where it has a score.
BOX_SCORE = 0.3


class Calibration:
    """Images of a folder as an exported model takes them.

    Each is read when it is asked for, and again the next time: no more than
    one is in memory.

    Args:
        loaded (LoadedModel): Whose test pipeline they go through.
        folder (str): With photos, or of a model for actions with videos.
        most (int): How many of them are used at most, spread evenly over
            their names.
        boxes (str, optional): COCO file with boxes of these images, for a
            top-down pose model, which sees one of each; without it, each
            image is one box.
        shape (tuple[int, ...], optional): Of an input, where a file takes no
            other; images of other shapes are left out.

    Raises:
        UserError: If there are none.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        folder: str,
        most: int = MOST,
        boxes: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self._shape = shape
        if not Path(folder).is_dir():
            raise UserError(f'--calibrate {folder}: there is no such folder')
        self._is_bgr = not reads_rgb(loaded.library, loaded.pipeline)
        self._dtype = 'uint8' if channels_of(loaded) == 3 else 'float32'
        self._predictor = _predictor(loaded, boxes)
        found = find_sources([folder])
        if self._predictor.takes_videos:
            found = videos_among(found)
        else:
            found = [one for one in found if one.kind == 'photo']
        if not found:
            raise UserError(f'--calibrate {folder}: it has no photo in it')
        step = max(len(found) / most, 1)
        number = min(len(found), most)
        self._sources = [found[int(i * step)] for i in range(number)]
        self.unreadable: dict[str, str] = {}
        if number < FEWEST:
            print_log(
                f'--calibrate {folder} has few images ({number}), so that '
                f'what is rare in them decides; {FEWEST} or more are wanted, '
                f'better {MOST}',
                logger='current',
                level=logging.WARNING,
            )

    def __len__(self) -> int:
        """How many could be read so far, or are to be."""
        return len(self._sources) - len(self.unreadable)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields (B, H, W, C), or clips (B, T, H, W, C).

        What cannot be read is told in a line, once, and left out.

        Raises:
            UserError: If none can be read.
        """
        for index, source in enumerate(self._sources):
            if source.file in self.unreadable:
                continue
            try:
                yield self._read(source, index)
            except UserError as error:
                self.unreadable[source.file] = str(error)
                print_log(
                    f'{error}; it is left out',
                    logger='current',
                    level=logging.WARNING,
                )
        if not len(self):
            raise UserError(
                f'--calibrate: none of {len(self._sources)} images can be '
                f'read: {next(iter(self.unreadable.values()))}'
            )

    def _read(self, source: Source, index: int) -> np.ndarray:
        prepared = self._predictor.prepare(Item(source, source.file))
        inputs = self._data(prepared, index)['inputs']
        # Of a video, the clip in the middle.
        inputs = inputs if inputs.ndim == 3 else inputs[len(inputs) // 2]
        pixels = pixels_of(inputs.unsqueeze(0), self._is_bgr, self._dtype)
        if self._shape is not None and pixels.shape != self._shape:
            raise UserError(
                f'{source.file} becomes {pixels.shape}, and the file takes '
                f'{self._shape} alone'
            )
        return pixels

    def _data(self, prepared: Prepared, index: int) -> dict:
        """What the model takes of an image: of some boxes, one in turn."""
        predictor = self._predictor
        if not isinstance(predictor, PosePredictor):
            return prepared.data
        if not predictor.is_top_down:
            return predictor.pipeline.finish(prepared.data)[0]
        (boxes,) = predictor.boxes_of([prepared], 1)
        crops = predictor.crops(prepared, boxes)
        if not crops:
            raise UserError(f'there is no box of {prepared.item.source.file}')
        return crops[index % len(crops)]


def _predictor(loaded: LoadedModel, boxes: str | None) -> Predictor:
    is_top_down = loaded.library == 'mmpose' and loaded.data_mode == 'topdown'
    if boxes is not None and not is_top_down:
        raise UserError('--boxes is for top-down pose models')
    if loaded.library != 'mmpose':
        return Predictor(loaded)
    if boxes is not None:
        return PosePredictor(loaded, boxes_of=Filed(boxes, BOX_SCORE))
    if is_top_down:
        print_log(
            'Each image to calibrate by is taken for one box, as there is no '
            '--boxes: what is in it should fill it.',
            logger='current',
            level=logging.WARNING,
        )
    return PosePredictor(loaded)
