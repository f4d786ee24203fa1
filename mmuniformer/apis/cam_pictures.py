"""Where a model sees what it predicts: class activation maps."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from logging import WARNING
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from torch import nn

from mmuniformer.apis.pictures import (
    FRAMES,
    Shown,
    check_out,
    frames_of,
    items_of,
    load_one,
    models_of,
    names_of,
    places_of,
    rows_of,
    write,
)
from mmuniformer.apis.predicting import THRESHOLD
from mmuniformer.checks.finding import few
from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.reading import Item
from mmuniformer.prediction.targets import NothingFound, target_of
from mmuniformer.prediction.views import View, stage_maps, views
from mmuniformer.visualization.cams import activation_maps
from mmuniformer.visualization.picture_grid import ColourBar, Row, heat

COLOURS = 'turbo'
# Of a task, if none is chosen.
METHOD_OF = {'classification': 'gradcam', 'video': 'gradcam'}
LOCAL = 'layercam'


def draw_cam(
    sources: Iterable[str | Path],
    model: str | Path | Sequence[str | Path],
    weights: str | Path | Sequence[str | Path] | None = None,
    out: str | Path = 'cam.png',
    *,
    method: str | None = None,
    target: str | None = None,
    box: int | None = None,
    stages: Sequence[int] | None = None,
    layers: Sequence[str] | None = None,
    threshold: float = THRESHOLD,
    detector: str | Path | None = None,
    boxes: str | Path | None = None,
    device: str | None = None,
) -> None:
    """Draws where a model sees what it predicts: class activation maps.

    An image has one row: what the model gets of it, and a map for each model
    and stage. A video has a row of frames for each of these.

    Args:
        sources (Iterable[str or Path]): Photos, or videos of a model for
            actions; see :func:`predict`.
        model (str, Path or a sequence): One or several models; see
            :func:`load`.
        weights (str, Path or a sequence, optional): As many checkpoints.
        out (str or Path): PNG file to write.
        method (str, optional): 'gradcam', 'gradcam++', 'xgradcam',
            'layercam', 'hirescam', 'eigencam', 'eigengradcam' or 'scorecam'.
            By default 'gradcam' for the class of an image or a video. It
            weighs channels, wherever they speak: what is asked of a place (a
            box, pixels, a keypoint) is 'layercam' by default, which weighs
            places.
        target (str, optional): What is looked for: a class, of a pose model a
            keypoint, by name or number; by default what the model predicts.
        box (int, optional): One box of a detector, from 1 by scores; by
            default all of the class.
        stages (Sequence[int], optional): Stages of the backbone, from 1,
            whose maps are taken; the last stage by default. See
            :func:`stage_maps`.
        layers (Sequence[str], optional): Layers of the model instead, by
            their names in it, such as 'neck.fpn_convs.0.conv'.
        threshold (float): Least score of a detector's box.
        detector, boxes: Where a pose model looks; see :func:`load`.
        device (str, optional): See :func:`load`.

    An input in which there is nothing of what is asked for is left out, and
    told of.

    Raises:
        UserError: For a mistake in what the user gave, or if there is nothing
            in any input.
    """
    check_out(out)
    if stages is not None and layers is not None:
        raise UserError('--stage and --layer: one of them says where')
    models = models_of(model, weights)
    predictors = [
        load_one(*one, device, threshold, detector, boxes) for one in models
    ]
    chosen = [_layers(one, stages, layers) for one in predictors]
    names = names_of([one[0] for one in models])
    asking = [
        _Asking(*one, target, box, method or METHOD_OF.get(one[0].task, LOCAL))
        for one in zip(predictors, chosen, names, strict=True)
    ]
    rows: list[Row] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in items_of(sources, predictors, Path(folder)):
            try:
                rows += _rows(item, asking)
            except NothingFound as error:
                left_out.append(f'{item.source.file}: {error}')
    if left_out and not rows:
        raise UserError(few(left_out, 1))
    for line in left_out:
        print_log(f'left out: {line}', logger='current', level=WARNING)
    used = sorted({one.method for one in asking})
    title = f'how much a place speaks for it ({", ".join(used)})'
    write(out, rows, ColourBar(COLOURS, 'not', 'most', title))


class _Asking(NamedTuple):
    """A model, and what it is asked; see :func:`draw_cam`."""

    predictor: Predictor
    layers: dict[str, nn.Module]
    name: str
    target: str | None
    box: int | None
    method: str


def _rows(item: Item, asking: Sequence[_Asking]) -> list[Row]:
    """Those of one input, of all models beside each other.

    Raises:
        NothingFound: If one of them finds nothing of what it is asked for.
    """
    of_models = [views(one.predictor, item) for one in asking]
    if not all(of_models):
        raise NothingFound('there is no box in it')
    rows = []
    for together in zip(*of_models, strict=False):
        shown = [Shown('input', frames_of(together[0]))]
        for one, view in zip(asking, together, strict=True):
            shown += _cams(one, view)
        rows += rows_of(shown)
    return rows


def _cams(one: _Asking, view: View) -> Iterator[Shown]:
    target = target_of(one.predictor, view, one.target, one.box)
    maps = activation_maps(target.scores, view.inputs, one.layers, one.method)
    pictures = frames_of(view)
    for layer, values in maps.items():
        frames = []
        for picture, index in zip(
            pictures, places_of(len(values), FRAMES), strict=True
        ):
            over = view.on_picture(values[index], smooth=True)
            frame = heat(picture, over, colours=COLOURS)
            target.mark(frame)
            frames.append(frame)
        title = f'{layer}: {target.name}'
        if not values.any():
            title += ', nowhere'
        words = [word for word in (one.name, title) if word]
        yield Shown('\n'.join(words), frames)


def _layers(
    predictor: Predictor,
    stages: Sequence[int] | None,
    names: Sequence[str] | None,
) -> dict[str, nn.Module]:
    """Layers by what the picture calls them."""
    if names is not None:
        known = dict(predictor.loaded.net.named_modules())
        for name in names:
            if name not in known:
                raise UserError(_no_layer(name, list(known)))
        return {name: known[name] for name in names}
    maps = stage_maps(predictor, stages)
    if stages is None:
        maps = dict([maps.popitem()])
    return {f'stage {stage}': layer for stage, layer in maps.items()}


def _no_layer(name: str, known: list[str]) -> str:
    """What there is as far as the name is right."""
    parent = name.rpartition('.')[0]
    while parent and parent not in known:
        parent = parent.rpartition('.')[0]
    prefix = f'{parent}.' if parent else ''
    below = [
        one
        for one in known
        if one.startswith(prefix) and one and '.' not in one[len(prefix) :]
    ]
    return (
        f'--layer {name}: the model has no such layer; there are '
        f'{few(below, 8) or "none below " + parent}'
    )
