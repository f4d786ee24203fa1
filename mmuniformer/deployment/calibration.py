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
from mmuniformer.prediction.poses import PosePredictor
from mmuniformer.prediction.predictor import Predictor, Prepared
from mmuniformer.prediction.reading import Item
from mmuniformer.prediction.sources import Source, find_sources, videos_among

# More of them change next to nothing.
MOST = 300
# With fewer, what is rare in them decides.
FEWEST = 10


class Calibration:
    """Images of a folder as an exported model takes them.

    Each is read when it is asked for, and again the next time: no more than
    one is in memory.

    Args:
        loaded (LoadedModel): Whose test pipeline they go through. Of a
            top-down pose model, each image is one box.
        folder (str): With photos, or of a model for actions with videos.
        most (int): How many of them are used at most, spread evenly over
            their names.

    Raises:
        UserError: If there are none.
    """

    def __init__(
        self, loaded: LoadedModel, folder: str, most: int = MOST
    ) -> None:
        if not Path(folder).is_dir():
            raise UserError(f'--calibrate {folder}: there is no such folder')
        self._is_bgr = not reads_rgb(loaded.library, loaded.pipeline)
        self._dtype = 'uint8' if channels_of(loaded) == 3 else 'float32'
        is_pose = loaded.library == 'mmpose'
        self._predictor = (PosePredictor if is_pose else Predictor)(loaded)
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
        for source in self._sources:
            if source.file in self.unreadable:
                continue
            try:
                yield from self._read(source)
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

    def _read(self, source: Source) -> Iterator[np.ndarray]:
        prepared = self._predictor.prepare(Item(source, source.file))
        for data in self._data(prepared):
            inputs = data['inputs']
            # Of a video, its clips are the batch.
            if inputs.ndim == 3:
                inputs = inputs.unsqueeze(0)
            yield pixels_of(inputs, self._is_bgr, self._dtype)

    def _data(self, prepared: Prepared) -> list[dict]:
        predictor = self._predictor
        if not isinstance(predictor, PosePredictor):
            return [prepared.data]
        boxes = predictor.boxes_of([prepared], 1)
        return predictor.crops(prepared, boxes[0])
