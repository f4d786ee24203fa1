"""What models find, side by side in one picture."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mmuniformer.apis.pictures import (
    check_out,
    items_of,
    load_one,
    places_of,
    write,
)
from mmuniformer.apis.predicting import THRESHOLD
from mmuniformer.errors import UserError
from mmuniformer.prediction.drawing import Drawing
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.views import views
from mmuniformer.visualization.picture_grid import Cell, Row, enlarged

# Longer side of what is drawn on, and frames of a video: words are of one size
# then, and large enough to be read.
PIXELS, FRAMES = 420, 3
# White columns between frames.
GAP = ((0, 0), (0, 0), (1, 1), (0, 0))


def draw_results(
    rows: Sequence[Sequence[str | Path]],
    out: str | Path = 'results.png',
    *,
    names: Sequence[str] | None = None,
    threshold: float = THRESHOLD,
    keypoint_threshold: float = THRESHOLD,
    detector: str | Path | None = None,
    boxes: str | Path | None = None,
    device: str | None = None,
) -> None:
    """Draws boxes, masks, maps, skeletons and classes of several models.

    Args:
        rows (Sequence[Sequence[str or Path]]): For each row a model, which is
            a checkpoint with its config in it or the config of a published
            one, and its photos or videos after it.
        out (str or Path): PNG file to write.
        names (Sequence[str], optional): What stands beside the rows; what the
            models are for by default.
        threshold (float): Least score of what a detector finds.
        keypoint_threshold (float): Least score of a keypoint.
        detector, boxes: Where pose models look; see :func:`load`.
        device (str, optional): See :func:`load`.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    check_out(out)
    if names is not None and len(names) != len(rows):
        raise UserError(
            f'--names: there are {len(names)} of them, and {len(rows)} rows'
        )
    drawn: list[Row] = []
    for index, (model, *sources) in enumerate(rows):
        if not sources:
            raise UserError(
                f'--row {model}: it needs a photo or a video after the model'
            )
        predictor = _load(model, threshold, detector, boxes, device)
        name = predictor.task if names is None else names[index]
        cells = [
            Cell(picture)
            for picture in _pictures(predictor, sources, keypoint_threshold)
        ]
        drawn.append(Row(cells, name))
    write(out, drawn)


def _load(
    model: str | Path,
    threshold: float,
    detector: str | Path | None,
    boxes: str | Path | None,
    device: str | None,
) -> Predictor:
    predictor = load_one(str(model), None, device, threshold)
    if predictor.task == 'pose' and (detector or boxes):
        return load_one(str(model), None, device, threshold, detector, boxes)
    return predictor


def _pictures(
    predictor: Predictor, sources: Sequence[str | Path], threshold: float
) -> Iterator[np.ndarray]:
    drawing = Drawing(predictor.loaded.metainfo, threshold)
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in items_of(sources, [predictor], Path(folder)):
            prepared = predictor.prepare(item)
            (result,) = predictor.predict([prepared])
            image = prepared.image
            if image is None:
                (view,) = views(predictor, item)
                some = places_of(len(view.pictures), FRAMES)
                frames = np.pad(view.pictures[some], GAP, constant_values=255)
                image = np.concatenate(frames, 1)[:, 1:-1, ::-1]
            large = enlarged(image, PIXELS)
            yield drawing.on(large, result.resized(*large.shape[:2]))[
                ..., ::-1
            ]
