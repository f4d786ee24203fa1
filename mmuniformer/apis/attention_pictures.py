"""What the token at a place gathers from: attention."""

import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log
from torch import nn

from mmuniformer.apis.pictures import (
    FRAMES,
    Shown,
    check_out,
    frames_of,
    items_of,
    load_one,
    places_of,
    rows_of,
    write,
)
from mmuniformer.apis.predicting import THRESHOLD
from mmuniformer.errors import UserError
from mmuniformer.prediction.views import View, backbone_of, views
from mmuniformer.visualization.attention_maps import (
    Gathered,
    Query,
    attending_blocks,
    gathered,
)
from mmuniformer.visualization.picture_grid import (
    ColourBar,
    Row,
    heat,
)
from mmuniformer.visualization.places import step_of

HEADS = ('mean', 'each')
COLOURS = 'inferno'
WHITE, GREY, BLACK = (255, 255, 255), (150, 150, 150), (0, 0, 0)
GREEN = (60, 255, 120)
# Share of attention that is worth a word.
LEAST = 0.0005


def draw_attention(
    sources: Iterable[str | Path],
    model: str | Path,
    weights: str | Path | None = None,
    out: str | Path = 'attention.png',
    *,
    query: tuple[float, float] = (0.5, 0.5),
    frame: int | None = None,
    blocks: Sequence[str] | None = None,
    heads: str = 'mean',
    detector: str | Path | None = None,
    boxes: str | Path | None = None,
    device: str | None = None,
) -> None:
    """Draws what the token at a place of the input gathers from.

    An image has one row with a picture for each block; with the heads apart a
    row for each block. A video has rows of frames.

    Args:
        sources (Iterable[str or Path]): See :func:`draw_cam`.
        model (str or Path): See :func:`load`.
        weights (str or Path, optional): See :func:`load`.
        out (str or Path): PNG file to write.
        query (tuple[float, float]): The place: shares of width and height
            from the upper left corner, 0 to 1, of the picture that the model
            gets.
        frame (int, optional): Of a clip, from 0; the middle one by default.
        blocks (Sequence[str], optional): Such as '3.2' for the second block
            of stage 3; by default the first and the last of each stage with
            attention.
        heads (str): Their 'mean', or 'each' in a picture.
        detector, boxes: Where a pose model looks; see :func:`load`.
        device (str, optional): See :func:`load`.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    check_out(out)
    if not all(0 <= share <= 1 for share in query):
        place = ' '.join(f'{share:g}' for share in query)
        raise UserError(
            f'--query {place} is outside of the picture: both are shares of '
            'its width and height, from 0 to 1'
        )
    if heads not in HEADS:
        raise UserError(f'--heads {heads}: one of {", ".join(HEADS)}')
    predictor = load_one(
        str(model), weights, device, THRESHOLD, detector, boxes
    )
    backbone = backbone_of(predictor)
    if frame is not None and backbone.ndim == 2:
        raise UserError('--frame is for videos, and the model takes images')
    chosen = _blocks(backbone, blocks)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in items_of(sources, [predictor], Path(folder)):
            for view in views(predictor, item):
                place = _query(view, query, frame)
                noted = gathered(backbone, view.inputs, place, chosen)
                if not rows and backbone.ndim == 2:
                    height, width = view.pictures.shape[1:3]
                    print_log(
                        f'The model gets {item.source.file} in {width} x '
                        f'{height} pixels',
                        logger='current',
                    )
                if heads == 'mean':
                    rows += _attention_rows(view, [_mean(n) for n in noted])
                    continue
                for one in noted:
                    rows += _attention_rows(view, [one])
    bar = ColourBar(COLOURS, '0', 'the largest', 'attention')
    write(out, rows, bar)


def _query(view: View, query: tuple[float, float], frame: int | None) -> Query:
    """The place in what goes into the network, padding included."""
    number = len(view.pictures)
    frame = number // 2 if frame is None else frame
    if not 0 <= frame < number:
        raise UserError(
            f'--frame {frame}: the clips of the model have the frames 0 to '
            f'{number - 1}'
        )
    rows, columns = view.covered
    # The right and lower edge are of the picture, and not of its padding.
    x, y = (min(share, 1 - 1e-6) for share in query)
    return Query(x * columns, y * rows, (frame + 0.5) / number)


def _blocks(backbone: nn.Module, names: Sequence[str] | None) -> Sequence[str]:
    known = attending_blocks(backbone)
    if not known:
        raise UserError('the backbone has no block with attention')
    if names is None:
        return _few_blocks(backbone, list(known))
    for name in names:
        if name not in known:
            raise UserError(
                f'--blocks {name}: there is no such block with attention; '
                f'there are {", ".join(known)}'
            )
    return names


def _few_blocks(backbone: nn.Module, known: Sequence[str]) -> list[str]:
    """The first and the last of each stage; where stage 3 has both kinds, one
    with windows and a global one."""
    chosen = []
    for stage in dict.fromkeys(name[0] for name in known):
        blocks = [name for name in known if name[0] == stage]
        chosen += [blocks[0], blocks[-1]]
        windows = getattr(backbone, 'test_windows', ())
        whole = [n for n, w in zip(blocks, windows, strict=False) if w is None]
        if stage == '3' and whole:
            chosen[-1] = whole[-1]
    return list(dict.fromkeys(chosen))


def _attention_rows(view: View, noted: Sequence[Gathered]) -> list[Row]:
    """Rows of the mean of the heads of blocks, or of each head of a block."""
    spatial = noted[0].weights.shape[1:]
    number = spatial[0] if len(spatial) == 3 else 1
    own = noted[0].token[0] if len(spatial) == 3 else 0
    places = places_of(number, FRAMES)
    if own not in places:
        places[int(np.abs(np.array(places) - own).argmin())] = own
    # The frames of the clip at which those of the map begin.
    of_clip = [place * len(view.pictures) // number for place in places]
    pictures = frames_of(view, of_clip)
    marked = [picture.copy() for picture in pictures]
    _mark_query(marked[places.index(own)], view, noted[0])
    shown = [Shown('input and query', marked)]
    for one in noted:
        for head, values in enumerate(one.weights, 1):
            maps = values.reshape(number, *values.shape[-2:])
            seen = _seen(view, maps)
            largest = max(seen.max(), 1e-12)
            frames = []
            for place, picture in zip(places, pictures, strict=True):
                over = view.on_picture(maps[place] / largest, smooth=False)
                frame = heat(picture, over, 0.65, False, COLOURS)
                _mark_windows(frame, view, one)
                if place == own:
                    _mark_query(frame, view, one)
                frames.append(frame)
            name = f'{one.name}\n{one.kind}\nup to {100 * seen.max():.1f} %'
            if 1 - seen.sum() > LEAST:
                name += f', {100 * (1 - seen.sum()):.1f} % elsewhere'
            if len(one.weights) > 1:
                name = f'head {head}: {name}'
            shown.append(Shown(name, frames))
    return rows_of(shown)


def _seen(view: View, maps: np.ndarray) -> np.ndarray:
    """The part of maps whose tokens have something of the picture."""
    rows, columns = (
        math.ceil(shown / step_of(pixels, number))
        for shown, pixels, number in zip(
            view.pictures.shape[1:3],
            view.inputs.shape[-2:],
            maps.shape[-2:],
            strict=True,
        )
    )
    return maps[..., :rows, :columns]


def _mean(one: Gathered) -> Gathered:
    """The mean of its heads."""
    return replace(
        one,
        weights=one.weights.mean(0, keepdims=True),
        elsewhere=one.elsewhere.mean(keepdims=True),
    )


def _mark_query(picture: np.ndarray, view: View, one: Gathered) -> None:
    y, x = one.token[-2:]
    for colour, thick in ((BLACK, 4), (GREEN, 2)):
        _outline(picture, view, one, (y, y + 1, x, x + 1), colour, thick)


def _mark_windows(picture: np.ndarray, view: View, one: Gathered) -> None:
    if one.box is None:
        return
    height, width = one.weights.shape[1:]
    for top in range(0, height, one.window):
        for left in range(0, width, one.window):
            box = (top, top + one.window, left, left + one.window)
            _outline(picture, view, one, box, GREY, 1)
    _outline(picture, view, one, one.box, WHITE, 2)


def _outline(
    picture: np.ndarray,
    view: View,
    one: Gathered,
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
    thick: int,
) -> None:
    """Draws a box of rows and columns of tokens."""
    scale = [
        step_of(pixels, tokens) / shown * drawn
        for pixels, tokens, shown, drawn in zip(
            view.inputs.shape[-2:],
            one.weights.shape[-2:],
            view.pictures.shape[1:3],
            picture.shape[:2],
            strict=True,
        )
    ]
    top, bottom = (round(row * scale[0]) for row in box[:2])
    left, right = (round(column * scale[1]) for column in box[2:])
    height, width = picture.shape[:2]
    corners = (left, top), (min(right, width) - 1, min(bottom, height) - 1)
    cv2.rectangle(picture, *corners, colour, thick)
