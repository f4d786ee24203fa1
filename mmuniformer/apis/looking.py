"""Pictures of what a model looks at."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import print_log
from torch import nn

from mmuniformer.apis.predicting import THRESHOLD, load
from mmuniformer.checks.finding import few
from mmuniformer.errors import UserError
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.reading import Item, read
from mmuniformer.prediction.running import MAX_DOWNLOAD
from mmuniformer.prediction.sources import find_sources, videos_among
from mmuniformer.prediction.targets import Target, target_of
from mmuniformer.prediction.views import View, backbone_of, views
from mmuniformer.visualization.attention_maps import (
    Gathered,
    Query,
    attending_blocks,
    gathered,
)
from mmuniformer.visualization.cams import activation_maps
from mmuniformer.visualization.picture_grid import (
    Cell,
    ColourBar,
    Row,
    enlarged,
    heat,
    picture_grid,
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

# Longer side of what is drawn on, and frames of a clip side by side.
PIXELS, FRAMES = 540, 8
HEADS = ('mean', 'each')
CAM_COLOURS, ATTENTION_COLOURS, FIELD_COLOURS = 'turbo', 'inferno', 'magma'
LIGHT, DARK = (255, 255, 255), (0, 0, 0)
GREEN = (60, 255, 120)


@dataclass(frozen=True, eq=False)
class _Shown:
    """One or several frames that show one thing.

    Attributes:
        name (str): What they show.
        frames (list[np.ndarray]): Pictures (H, W, 3), RGB.
    """

    name: str
    frames: list[np.ndarray]


def draw_cam(
    sources: Iterable[str | Path],
    model: str | Path | Sequence[str | Path],
    weights: str | Path | Sequence[str | Path] | None = None,
    out: str | Path = 'cam.png',
    *,
    method: str = 'gradcam',
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
        method (str): 'gradcam', 'gradcam++', 'xgradcam', 'layercam',
            'hirescam', 'eigencam', 'eigengradcam' or 'scorecam'.
        target (str, optional): What is looked for: a class, of a pose model a
            keypoint, by name or number; by default what the model predicts.
        box (int, optional): One box of a detector, from 1 by scores; by
            default all of the class.
        stages (Sequence[int], optional): Stages of the backbone, from 1,
            whose last block's map is taken; the last stage by default.
        layers (Sequence[str], optional): Layers of the model instead, by
            their names in it, such as 'neck.fpn_convs.0.conv'.
        threshold (float): Least score of a detector's box.
        detector, boxes: Where a pose model looks; see :func:`load`.
        device (str, optional): See :func:`load`.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    if stages is not None and layers is not None:
        raise UserError('--stage and --layer: one of them says where')
    models = _models(model, weights)
    predictors = [
        _load(*one, device, threshold, detector, boxes) for one in models
    ]
    chosen = [_layers(one, stages, layers) for one in predictors]
    names = _names([one[0] for one in models])
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in _items(sources, predictors, Path(folder)):
            of_models = [views(one, item) for one in predictors]
            if not all(of_models):
                raise UserError(f'{item.source.file}: there is no box in it')
            for together in zip(*of_models, strict=False):
                shown = [_Shown('input', _frames(together[0], FRAMES))]
                for one, view, where, name in zip(
                    predictors, together, chosen, names, strict=True
                ):
                    try:
                        asked = target_of(one, view, target, box)
                    except UserError as error:
                        raise UserError(
                            f'{item.source.file}: {error}'
                        ) from error
                    shown += _cams(view, asked, where, method, name)
                rows += _rows(shown)
    bar = ColourBar(CAM_COLOURS, 'little', 'much', f'share in it, {method}')
    _write(out, rows, bar)


def _cams(
    view: View,
    target: Target,
    layers: dict[str, nn.Module],
    method: str,
    name: str,
) -> Iterator[_Shown]:
    maps = activation_maps(target.scores, view.inputs, layers, method)
    pictures = _frames(view, FRAMES)
    for layer, values in maps.items():
        frames = []
        for picture, index in zip(
            pictures, _places(len(values), FRAMES), strict=True
        ):
            over = view.on_picture(values[index], smooth=True)
            frame = heat(picture, over, colours=CAM_COLOURS)
            target.mark(frame)
            frames.append(frame)
        words = [word for word in (name, f'{layer}: {target.name}') if word]
        yield _Shown('\n'.join(words), frames)


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
    _, backbone = backbone_of(predictor)
    last = backbone.num_stages
    for stage in stages or ():
        if not 1 <= stage <= last:
            raise UserError(
                f'--stage {stage}: the backbone has the stages 1 to {last}'
            )
    return {
        f'stage {stage}': getattr(backbone, f'blocks{stage}')[-1]
        for stage in stages or (last,)
    }


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
    if not all(0 <= share <= 1 for share in query):
        place = ' '.join(f'{share:g}' for share in query)
        raise UserError(
            f'--query {place} is outside of the picture: both are shares of '
            'its width and height, from 0 to 1'
        )
    if heads not in HEADS:
        raise UserError(f'--heads {heads}: one of {", ".join(HEADS)}')
    predictor = _load(
        str(model), weights, device, THRESHOLD, detector, boxes
    )
    _, backbone = backbone_of(predictor)
    if frame is not None and backbone.ndim == 2:
        raise UserError('--frame is for videos, and the model takes images')
    chosen = _blocks(backbone, blocks)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in _items(sources, [predictor], Path(folder)):
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
                rows += _attention_rows(view, place, noted, heads == 'each')
    bar = ColourBar(ATTENTION_COLOURS, '0', 'the largest', 'attention')
    _write(out, rows, bar)


def _query(
    view: View, query: tuple[float, float], frame: int | None
) -> Query:
    """The place in what goes into the network, padding included."""
    number = len(view.pictures)
    frame = number // 2 if frame is None else frame
    if not 0 <= frame < number:
        raise UserError(
            f'--frame {frame}: the clips of the model have the frames 0 to '
            f'{number - 1}'
        )
    rows, columns = view.covered
    return Query(query[0] * columns, query[1] * rows, frame / number)


def _blocks(
    backbone: nn.Module, names: Sequence[str] | None
) -> Sequence[str]:
    known = attending_blocks(backbone)
    if not known:
        raise UserError('the backbone has no block with attention')
    if names is None:
        # A few: those of a hybrid stage begin with a window and end without.
        by_stage: dict[str, list[str]] = {}
        for name in known:
            by_stage.setdefault(name[0], []).append(name)
        ends = [n for of in by_stage.values() for n in (of[0], of[-1])]
        return list(dict.fromkeys(ends))
    for name in names:
        if name not in known:
            raise UserError(
                f'--blocks {name}: there is no such block with attention; '
                f'there are {", ".join(known)}'
            )
    return names


def _attention_rows(
    view: View, query: Query, noted: Sequence[Gathered], each: bool
) -> list[Row]:
    number = noted[0].weights.shape[1] if noted[0].weights.ndim == 4 else 1
    places = _places(number, FRAMES)
    own = noted[0].token[0] if number > 1 else 0
    if own not in places:
        places[int(np.abs(np.array(places) - own).argmin())] = own
    # The frames of the clip at which those of the map begin.
    of_clip = [place * len(view.pictures) // number for place in places]
    pictures = [enlarged(view.pictures[i], PIXELS) for i in of_clip]
    marked = [p.copy() for p in pictures]
    _mark_query(marked[places.index(own)], view, noted[0])
    start = _Shown('input and query', marked)
    rows: list[Row] = []
    shown = [start]
    for one in noted:
        maps = one.weights.mean(0)[None]
        if each:
            maps = one.weights
            shown = [start]
        for head, values in enumerate(maps, 1):
            maps_of = values if values.ndim == 3 else values[None]
            frames = [
                _attention_picture(view, picture, maps_of[i], maps_of.max())
                for picture, i in zip(pictures, places, strict=True)
            ]
            _mark_windows(frames[0], view, one)
            _mark_query(frames[places.index(own)], view, one)
            name = f'{one.name}\n{one.kind}'
            name += f'\nup to {100 * values.max():.1f} %'
            off = one.elsewhere.mean() if not each else one.elsewhere[head - 1]
            if off > 0.0005:
                name += f', {100 * off:.1f} % elsewhere'
            if each:
                name = f'head {head}: {name}'
            shown.append(_Shown(name, frames))
        if each:
            rows += _rows(shown)
    return rows if each else _rows(shown)


def _attention_picture(
    view: View, picture: np.ndarray, values: np.ndarray, largest: float
) -> np.ndarray:
    over = view.on_picture(values / max(largest, 1e-12), smooth=False)
    return heat(
        picture, over, share=0.7, smooth=False, colours=ATTENTION_COLOURS
    )


def _mark_query(picture: np.ndarray, view: View, one: Gathered) -> None:
    y, x = one.token[-2:]
    for colour, thick in ((DARK, 4), (GREEN, 2)):
        _outline(picture, view, one, (y, y + 1, x, x + 1), colour, thick)


def _mark_windows(picture: np.ndarray, view: View, one: Gathered) -> None:
    if one.box is None:
        return
    height, width = one.weights.shape[1:]
    for top in range(0, height, one.window):
        for left in range(0, width, one.window):
            box = (top, top + one.window, left, left + one.window)
            _outline(picture, view, one, box, (150, 150, 150), 1)
    _outline(picture, view, one, one.box, LIGHT, 2)


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
        pixels / tokens / shown * drawn
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
    models = _models(model, weights)
    predictors = [_load(*one, device) for one in models]
    names = _names([one[0] for one in models])
    fields: list[dict[int, list[Field]]] = []
    for one in predictors:
        _layers(one, stages, None)  # Looks whether they are there.
        _, backbone = backbone_of(one)
        chosen = stages or range(1, 1 + backbone.num_stages)
        fields.append({stage: [] for stage in chosen})
    with tempfile.TemporaryDirectory(prefix='mmuniformer-') as folder:
        for item in _items(sources, predictors, Path(folder)):
            for one, found in zip(predictors, fields, strict=True):
                _, backbone = backbone_of(one)
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
                heat(black, scaled[i], 1, False, FIELD_COLOURS)
                for i in _places(len(scaled), FRAMES)
            ]
            shown.append(_Shown(title, frames))
        rows += _rows(shown, name)
    low = f'$10^{{-{DECADES}}}$'
    number = len(next(iter(fields[0].values())))
    title = f'gradient to a pixel, {2 * radius} px, mean of {number} inputs'
    _write(out, rows, ColourBar(FIELD_COLOURS, low, 'the largest', title))


def _models(
    model: str | Path | Sequence[str | Path],
    weights: str | Path | Sequence[str | Path] | None,
) -> list[tuple[str, str | None]]:
    """Models and their checkpoints."""
    models = [model] if isinstance(model, str | Path) else list(model)
    if isinstance(weights, str | Path):
        weights = [weights]
    if weights is not None and len(weights) != len(models):
        raise UserError(
            f'--weights: there are {len(weights)} of them, and {len(models)} '
            'models'
        )
    weights = weights or [None] * len(models)
    return [
        (str(one), None if file is None else str(file))
        for one, file in zip(models, weights, strict=True)
    ]


def _load(
    model: str,
    weights: str | None,
    device: str | None = None,
    threshold: float = THRESHOLD,
    detector: str | Path | None = None,
    boxes: str | Path | None = None,
) -> Predictor:
    return load(
        model, weights, device, threshold, detector=detector, boxes=boxes
    )


def _names(models: Sequence[str]) -> list[str]:
    """What models are called in a picture: nothing where there is one."""
    if len(models) == 1:
        return ['']
    paths = [Path(model) for model in models]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        # Checkpoints of several trainings have one name.
        names = [f'{path.parent.name}/{path.stem}' for path in paths]
    return names


def _items(
    sources: Iterable[str | Path],
    predictors: Sequence[Predictor],
    folder: Path,
) -> Iterator[Item]:
    """Inputs that all of the models take."""
    found = find_sources(sources)
    kinds = {one.takes_videos for one in predictors}
    if len(kinds) > 1:
        raise UserError(
            'some of the models take videos and others images: draw them apart'
        )
    if True in kinds:
        found = videos_among(found)
    for item in read(found, True in kinds, folder, MAX_DOWNLOAD):
        if item.problem:
            raise UserError(item.problem)
        if item.frame is not None:
            raise UserError(
                f'{item.source.file} is no image, and the model takes images'
            )
        yield item


def _frames(view: View, most: int) -> list[np.ndarray]:
    """Its pictures, spread over the clip, in the size in which to draw."""
    places = _places(len(view.pictures), most)
    return [enlarged(view.pictures[i], PIXELS) for i in places]


def _places(number: int, most: int) -> list[int]:
    """At most so many of as many, from the first to the last."""
    places = np.linspace(0, number - 1, min(number, most))
    return places.round().astype(int).tolist()


def _rows(shown: Sequence[_Shown], name: str = '') -> list[Row]:
    """One row for images; for videos a row of frames for each."""
    if len(shown[0].frames) == 1:
        cells = [Cell(one.frames[0], one.name) for one in shown]
        return [Row(cells, name)]
    rows = []
    for one in shown:
        words = [word for word in (name, one.name) if word]
        rows.append(Row([Cell(f) for f in one.frames], '\n'.join(words)))
    return rows


def _write(
    out: str | Path, rows: Sequence[Row], bar: ColourBar | None = None
) -> None:
    if not rows:
        raise UserError('there is nothing to draw')
    try:
        picture_grid(out, rows, bar)
    except OSError as error:
        raise UserError(f'--out {out}: {error.strerror}') from error
    print_log(f'Wrote {out}', logger='current')
