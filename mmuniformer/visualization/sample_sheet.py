"""Samples of a data set on one picture, each with what it is labelled."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mmuniformer.visualization.actions import draw_frame
from mmuniformer.visualization.contact_sheet import Colour
from mmuniformer.visualization.instances import Instances, draw_instances
from mmuniformer.visualization.samples import frames_of
from mmuniformer.visualization.semantic import paint
from mmuniformer.visualization.skeletons import (
    COLOURS,
    Poses,
    Skeleton,
    draw_poses,
)

COLUMNS = 5
# For the title.
LEAST_COLUMNS = 2
CELL = 3.0  # inches
CAPTION = 0.28
LEGEND = 0.3  # for each of its lines
DPI = 110
LONGEST_CAPTION = 34
# Names of a legend side by side, and its most lines.
IN_A_LINE = 8
MOST_LINES = 3
# Around a person, as a share of the longer side.
MARGIN = 0.15
FRAMES = 3
TEXT = (40, 40, 40)
# Points of keypoints, of which a cell shows one person.
MARKER = 4.0
IGNORED = 255


class Cell(NamedTuple):
    """One sample.

    Attributes:
        caption: Below it.
        draw: Draws it into axes.
        ratio: Height by width of what is drawn.
    """

    caption: str
    draw: Callable[[Axes], None]
    ratio: float


def sample_sheet(
    out: Path, cells: Sequence[Cell], legend: dict[str, Colour], title: str
) -> None:
    """Writes a PNG of samples, captions below them and a legend above.

    Args:
        out: File to write.
        cells: The samples.
        legend: RGB colours, 0 to 255, by name.
        title: The first line.
    """
    columns = min(COLUMNS, len(cells))
    rows = [cells[n : n + columns] for n in range(0, len(cells), columns)]
    heights = [CELL * min(1, max(c.ratio for c in row)) for row in rows]
    shown = dict(list(legend.items())[: IN_A_LINE * MOST_LINES])
    lines = -(-len(shown) // IN_A_LINE)
    upper = LEGEND * (lines + 1) + 0.1
    width = max(columns, LEAST_COLUMNS) * CELL
    height = upper + sum(heights) + CAPTION * len(rows)
    figure = Figure(figsize=(width, height), dpi=DPI)
    figure.text(0.01, 1 - 0.22 / height, title, va='center', fontsize=11)
    for row, row_height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            axes = figure.add_axes(
                (
                    (column * CELL + 0.04) / width,
                    1 - (upper + row_height) / height,
                    (CELL - 0.08) / width,
                    row_height / height,
                )
            )
            cell.draw(axes)
            axes.set_axis_off()
            # Captions are below the pictures, which differ in height.
            axes.set_anchor('S')
            figure.text(
                (column + 0.5) * CELL / width,
                1 - (upper + row_height + CAPTION / 2) / height,
                _short(cell.caption),
                ha='center',
                va='center',
                fontsize=8.5,
            )
        upper += row_height + CAPTION
    if shown:
        figure.legend(
            handles=[
                Patch(color=np.divide(colour, 255), label=_short(name))
                for name, colour in shown.items()
            ],
            loc='upper left',
            bbox_to_anchor=(0.0, 1 - LEGEND / height),
            ncols=min(len(shown), IN_A_LINE),
            frameon=False,
            fontsize=9,
        )
    canvas = FigureCanvasAgg(figure)
    out.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(str(out))


def _short(text: str) -> str:
    if len(text) <= LONGEST_CAPTION:
        return text
    return f'...{text[3 - LONGEST_CAPTION :]}'


def cell_of(
    scope: str,
    results: dict,
    sample: Any,
    metainfo: dict,
    sides: Sequence[str],
    colours: Sequence[Colour],
) -> Cell:
    """The cell of a sample.

    Args:
        scope: The library of its data set.
        results: What the pipeline had after reading.
        sample: The packed annotations.
        metainfo: Of the data set.
        sides: Of each keypoint: 'left', 'right' or 'middle'.
        colours: Of each class.
    """
    make = dict(
        mmdet=_objects,
        mmseg=_labels,
        mmpose=_person,
        mmaction=_clip,
        mmpretrain=_image,
    )[scope]
    return make(results, sample, metainfo, sides, colours)


def _rgb(results: dict) -> np.ndarray:
    """The image (H, W, 3) of a library that keeps OpenCV's order."""
    return np.ascontiguousarray(frames_of(results)[0][..., ::-1])


def _name(results: dict) -> str:
    path = results.get('img_path') or results.get('filename') or ''
    return Path(str(path)).name


def _ratio(results: dict) -> float:
    height, width = frames_of(results)[0].shape[:2]
    return height / width


def _objects(
    results: dict, sample: Any, metainfo: dict, _: Any, colours: Any
) -> Cell:
    instances = sample.gt_instances
    boxes = instances.bboxes
    masks = instances.get('masks')
    found = Instances(
        labels=instances.labels.numpy(),
        boxes=getattr(boxes, 'tensor', boxes).numpy(),
        masks=None if masks is None else masks.to_ndarray().astype(bool),
    )
    classes = metainfo['classes']
    draw = partial(
        draw_instances,
        image=_rgb(results),
        instances=found,
        classes=classes,
        colours=colours,
    )
    return Cell(_name(results), draw, _ratio(results))


def _labels(
    results: dict, sample: Any, metainfo: dict, _: Any, colours: Any
) -> Cell:
    labels = sample.gt_sem_seg.data.squeeze().numpy()
    painted = paint(labels, np.array(colours, np.uint8))
    draw = partial(
        _draw_labels, image=_rgb(results), labels=labels, painted=painted
    )
    return Cell(_name(results), draw, _ratio(results))


def _draw_labels(
    axes: Axes, image: np.ndarray, labels: np.ndarray, painted: np.ndarray
) -> None:
    mixed = (0.4 * image + 0.6 * painted).astype(np.uint8)
    axes.imshow(np.where((labels == IGNORED)[..., None], image, mixed))
    edges = [
        (labels == label).astype(float)
        for label in np.unique(labels)
        if label != IGNORED
    ]
    for edge in edges if len(edges) > 1 else ():
        axes.contour(edge, [0.5], colors='white', linewidths=0.5)


def _person(
    results: dict, sample: Any, metainfo: dict, sides: Any, _: Any
) -> Cell:
    image = _rgb(results)
    points = np.asarray(results['keypoints'], float)
    visible = np.asarray(results['keypoints_visible'])
    visible = visible[..., 0] if visible.ndim == 3 else visible
    skeleton = Skeleton(sides, metainfo['skeleton_links'])
    draw = partial(
        _draw_person,
        image=image,
        poses=Poses(points, visible > 0),
        skeleton=skeleton,
        box=np.asarray(results['bbox'], float).reshape(-1, 4)[0],
    )
    # Of the person and not of the image.
    return Cell(_name(results), draw, 1.0)


def _draw_person(
    axes: Axes,
    image: np.ndarray,
    poses: Poses,
    skeleton: Skeleton,
    box: np.ndarray,
) -> None:
    draw_poses(axes, image, poses, skeleton, MARKER)
    corners = [box.reshape(2, 2), *(p[s] for p, s in zip(*poses, strict=True))]
    corners = np.concatenate(corners)
    low, high = corners.min(0), corners.max(0)
    margin = MARGIN * (high - low).max() + 4
    height, width = image.shape[:2]
    left, top = np.maximum(low - margin, 0)
    right, bottom = np.minimum(high + margin, [width, height])
    axes.set(xlim=(left - 0.5, right - 0.5), ylim=(bottom - 0.5, top - 0.5))


def _clip(results: dict, sample: Any, metainfo: dict, *_: Any) -> Cell:
    frames = frames_of(results)
    chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
    # Above one another: a cell is as high as wide, and films are wide.
    strip = np.concatenate([frames[i] for i in chosen], axis=0)
    ratio = strip.shape[0] / strip.shape[1]
    return Cell(_name(results), _with_class(strip, sample, metainfo), ratio)


def _image(results: dict, sample: Any, metainfo: dict, *_: Any) -> Cell:
    draw = _with_class(_rgb(results), sample, metainfo)
    return Cell(_name(results), draw, _ratio(results))


def _with_class(
    image: np.ndarray, sample: Any, metainfo: dict
) -> Callable[[Axes], None]:
    classes = metainfo.get('classes')
    labels = sample.gt_label.reshape(-1).tolist()
    name = ', '.join(str(classes[i] if classes else i) for i in labels)
    return partial(draw_frame, image=image, lines=[(name, TEXT)])


def legend_of(
    scope: str, classes: Sequence[str], colours: Sequence[Colour]
) -> dict[str, Colour]:
    """What the colours of a sheet mean.

    Args:
        scope: The library of the data set.
        classes: Names of classes.
        colours: Of each class.
    """
    if scope == 'mmpose':
        return dict(COLOURS)
    if scope in ('mmdet', 'mmseg'):
        return dict(zip(classes, colours, strict=True))
    return {}
