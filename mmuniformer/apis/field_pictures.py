"""Which pixels a token depends on: effective receptive fields."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmuniformer.apis.pictures import (
    FRAMES,
    PIXELS,
    Shown,
    check_out,
    items_of,
    load_one,
    models_of,
    names_of,
    places_of,
    rows_of,
    write,
)
from mmuniformer.prediction.views import backbone_of, stage_maps, views
from mmuniformer.visualization.picture_grid import (
    ColourBar,
    Row,
    enlarged,
    heat,
)
from mmuniformer.visualization.receptive_field import (
    DECADES,
    Field,
    cut,
    decades,
    reach,
    receptive_fields,
    side_of_share,
)

COLOURS = 'magma'


def draw_receptive_field(
    sources: Iterable[str | Path],
    model: str | Path | Sequence[str | Path],
    weights: str | Path | Sequence[str | Path] | None = None,
    out: str | Path = 'receptive_field.png',
    *,
    stages: Sequence[int] | None = None,
    device: str | None = None,
) -> None:
    """Draws which pixels the token in the middle depends on, and how much.

    The effective receptive field of stages, the mean over all inputs, on a
    logarithmic scale; a row for each model, such as one before and one after
    its training. Of a video there is a row of frames for each stage.

    Args:
        sources (Iterable[str or Path]): See :func:`draw_cam`.
        model (str, Path or a sequence): See :func:`draw_cam`.
        weights (str, Path or a sequence, optional): See :func:`draw_cam`.
        out (str or Path): PNG file to write.
        stages (Sequence[int], optional): From 1; all by default.
        device (str, optional): See :func:`load`.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    check_out(out)
    models = models_of(model, weights)
    predictors = [load_one(*one, device) for one in models]
    names = names_of([one[0] for one in models])
    fields: list[dict[int, list[Field]]] = [
        {stage: [] for stage in stage_maps(one, stages)} for one in predictors
    ]
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in items_of(sources, predictors, Path(folder)):
            for one, found in zip(predictors, fields, strict=True):
                backbone = backbone_of(one)
                for view in views(one, item):
                    of_stages = receptive_fields(backbone, view.inputs)
                    for stage in found:
                        found[stage].append(of_stages[stage])
    radius = min(
        reach(field)
        for found in fields
        for of_stage in found.values()
        for field in of_stage
    )
    rows: list[Row] = []
    for found, name in zip(fields, names, strict=True):
        shown = []
        for stage, of_stage in found.items():
            mean = np.mean([cut(field, radius) for field in of_stage], 0)
            sides = [side_of_share(mean, share) for share in (0.5, 0.99)]
            title = f'stage {stage}\n50 % in {sides[0]} px, 99 % in {sides[1]}'
            scaled = decades(mean)
            black = np.zeros((*mean.shape[1:], 3), np.uint8)
            black = enlarged(black, PIXELS)
            frames = [
                heat(black, scaled[i], 1, False, COLOURS)
                for i in places_of(len(scaled), FRAMES)
            ]
            shown.append(Shown(title, frames))
        rows += rows_of(shown, name)
    low = f'$10^{{-{DECADES}}}$'
    number = len(next(iter(fields[0].values())))
    inputs = f'the mean of {number} inputs' if number > 1 else 'one input'
    title = f'gradient to a pixel, {2 * radius} x {2 * radius}, {inputs}'
    write(out, rows, ColourBar(COLOURS, low, 'the largest', title))
