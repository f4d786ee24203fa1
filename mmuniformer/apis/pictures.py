"""What the commands that draw pictures of a model have in common."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging import WARNING
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmuniformer.apis.predicting import THRESHOLD, load
from mmuniformer.checkpoint.form import backbones_of
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import WEIGHTS
from mmuniformer.prediction.predictor import Predictor
from mmuniformer.prediction.reading import Item, read
from mmuniformer.prediction.running import MAX_DOWNLOAD
from mmuniformer.prediction.sources import find_sources, videos_among
from mmuniformer.prediction.views import View
from mmuniformer.visualization.picture_grid import (
    Cell,
    ColourBar,
    Row,
    enlarged,
    picture_grid,
)

# Longer side of what is drawn on, and frames of a clip side by side.
PIXELS, FRAMES = 540, 8


@dataclass(frozen=True, eq=False)
class Shown:
    """One or several frames that show one thing.

    Attributes:
        name (str): What they show.
        frames (list[np.ndarray]): Pictures (H, W, 3), RGB.
    """

    name: str
    frames: list[np.ndarray]


def models_of(
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


def load_one(
    model: str,
    weights: str | None,
    device: str | None = None,
    threshold: float = THRESHOLD,
    detector: str | Path | None = None,
    boxes: str | Path | None = None,
) -> Predictor:
    """A model to look into, which runs as it is written.

    See :func:`load`.
    """
    predictor = load(
        model, weights, device, threshold, detector=detector, boxes=boxes
    )
    for _, backbone in backbones_of(predictor.loaded.net):
        # What is compiled has hooks when it is compiled, or never.
        backbone._compiled_call_impl = None
    return predictor


def check_out(out: str | Path) -> None:
    """Says what is wrong with the name of a picture before the work for it.

    Raises:
        UserError: If no PNG can be written there.
    """
    path = Path(out)
    if path.suffix.lower() not in ('.png', ''):
        raise UserError(
            f'--out {out}: the picture is a PNG; name it {path.stem}.png'
        )
    if path.is_dir():
        raise UserError(f'--out {out} is a folder; name a file in it')
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir():
                raise UserError(f'--out {out}: {folder} is no folder')
            break


def names_of(models: Sequence[str]) -> list[str]:
    """What models are called in a picture: nothing where there is one."""
    if len(models) == 1:
        return ['']
    return [
        # Checkpoints of several trainings have one name.
        f'{path.parent.name}/{path.stem}'
        if path.suffix in WEIGHTS
        else path.stem
        for path in map(Path, models)
    ]


def items_of(
    sources: Iterable[str | Path],
    predictors: Sequence[Predictor],
    folder: Path,
) -> Iterator[Item]:
    """Inputs that all of the models take.

    Of several, one that cannot be read is left out, and told of.

    Raises:
        UserError: If nothing is left.
    """
    found = find_sources(sources)
    kinds = {one.takes_videos for one in predictors}
    if len(kinds) > 1:
        raise UserError(
            'some of the models take videos and others images: draw them apart'
        )
    if True in kinds:
        found = videos_among(found)
    problems: list[str] = []
    number = 0
    for item in read(found, True in kinds, folder, MAX_DOWNLOAD):
        problem = item.problem
        if not problem and item.frame is not None:
            problem = (
                f'{item.source.file} is no image, and the model takes images'
            )
        if not problem and len(found) > 1:
            problem = _unreadable(predictors, item)
        if not problem:
            number += 1
            yield item
        elif len(found) == 1:
            raise UserError(problem)
        # A video has one of them for each frame.
        elif problem not in problems:
            problems.append(problem)
            print_log(f'left out: {problem}', 'current', WARNING)
    if problems and not number:
        raise UserError(f'no input can be read: {problems[0]}')


def _unreadable(predictors: Sequence[Predictor], item: Item) -> str | None:
    """What is wrong with an input, found before rows of it are begun."""
    try:
        for one in predictors:
            one.prepare(item)
    except UserError as error:
        return str(error)
    return None


def frames_of(
    view: View, places: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Pictures in the size in which to draw on them.

    Args:
        view (View): An image or a clip.
        places (Sequence[int], optional): Its frames; spread over the clip by
            default.
    """
    number = len(view.pictures)
    if places is None:
        places = places_of(number, FRAMES)
    # Many frames are in a row.
    longest = PIXELS if number == 1 else PIXELS // 2
    return [enlarged(view.pictures[i], longest) for i in places]


def places_of(number: int, most: int) -> list[int]:
    """At most so many of as many, from the first to the last."""
    places = np.linspace(0, number - 1, min(number, most))
    return places.round().astype(int).tolist()


def rows_of(shown: Sequence[Shown], name: str = '') -> list[Row]:
    """One row for images; for videos a row of frames for each."""
    if len(shown[0].frames) == 1:
        cells = [Cell(one.frames[0], one.name) for one in shown]
        return [Row(cells, name)]
    rows = []
    for one in shown:
        words = [word for word in (name, one.name) if word]
        rows.append(Row([Cell(f) for f in one.frames], '\n'.join(words)))
    return rows


def write(
    out: str | Path, rows: Sequence[Row], bar: ColourBar | None = None
) -> None:
    if not rows:
        raise UserError('there is nothing to draw')
    with told_of(out):
        picture_grid(out, rows, bar)


@contextmanager
def told_of(out: str | Path) -> Iterator[None]:
    """Tells of a picture that is written within, or that it cannot be."""
    try:
        yield
    except OSError as error:
        raise UserError(f'--out {out}: {error.strerror}') from error
    print_log(f'Wrote {out}', logger='current')
