"""Rows of pictures with names, in one PNG."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Inches: of a figure that has many columns, and of its cells.
_WIDTH, _SMALLEST, _LARGEST = 13.0, 1.5, 3.6
_SIDE, _TITLE, _LINE, _GAP, _BAR = 0.3, 0.08, 0.15, 0.05, 0.55
_DPI = 150
_FONT = 8
# Inches of a letter; pixels of the longest side, which matplotlib's own limit
# of 2 ** 16 is above.
_LETTER, _LONGEST = 0.068, 60_000


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture and what it shows.

    Attributes:
        picture (np.ndarray): (H, W, 3), RGB, uint8.
        title (str): Stands above it; may have several lines.
    """

    picture: np.ndarray
    title: str = ''


@dataclass(frozen=True, eq=False)
class Row:
    """Pictures side by side.

    Attributes:
        cells (Sequence[Cell]): From left to right.
        name (str): Stands at their left.
    """

    cells: Sequence[Cell]
    name: str = ''


@dataclass(frozen=True)
class ColourBar:
    """What the colours of the pictures mean.

    Attributes:
        colours (str): A colour map of matplotlib.
        first (str): What its first colour means.
        last (str): The same of the last one.
        name (str): What is measured.
    """

    colours: str
    first: str
    last: str
    name: str


def picture_grid(
    out: str | Path, rows: Sequence[Row], bar: ColourBar | None = None
) -> None:
    """Writes a PNG of rows of pictures.

    The pictures of a row have one height, the tallest one's; those of other
    proportions are in the middle of their cells.

    Args:
        out: File to write; its folder is made.
        rows: From top to bottom.
        bar: The meaning of the colours, below them.
    """
    columns = max(len(row.cells) for row in rows)
    cell = _WIDTH / max(columns, len(rows))
    cell = float(np.clip(cell, _SMALLEST, _LARGEST))
    rows = [_wrapped(row, cell) for row in rows]
    lines = max(row.name.count('\n') + 1 for row in rows)
    named = any(row.name for row in rows)
    left = _SIDE + _LINE * (lines - 1) if named else _GAP
    heights = [_height(row, cell) for row in rows]
    titles = [_title_height(row) for row in rows]
    width = left + columns * cell + _GAP
    height = sum(heights) + sum(titles) + _GAP * (len(rows) + 1)
    height += _BAR if bar else 0.0
    dpi = min(_DPI, _LONGEST / max(width, height))
    figure = Figure(figsize=(width, height), dpi=dpi)
    top = height - _GAP
    for row, tall, above in zip(rows, heights, titles, strict=True):
        top -= above + tall
        if row.name:
            figure.text(
                0.5 * left / width,
                (top + tall / 2) / height,
                row.name,
                fontsize=_FONT,
                rotation=90,
                ha='center',
                va='center',
                parse_math=False,
            )
        for column, one in enumerate(row.cells):
            place = (
                (left + column * cell) / width,
                top / height,
                (cell - _GAP) / width,
                tall / height,
            )
            axes = figure.add_axes(place)
            axes.imshow(one.picture, interpolation_stage='rgba')
            axes.set_axis_off()
            # A name may have a dollar sign.
            axes.set_title(one.title, fontsize=_FONT, pad=3, parse_math=False)
        top -= _GAP
    if bar:
        _draw_bar(figure, bar, width, height)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(out))


def _wrapped(row: Row, cell: float) -> Row:
    """Titles in lines no longer than a cell is wide, names than it is high."""
    cells = [
        replace(one, title=_in_lines(one.title, cell - _GAP))
        for one in row.cells
    ]
    return Row(cells, _in_lines(row.name, _height(row, cell)))


def _in_lines(text: str, inches: float) -> str:
    letters = max(8, int(inches / _LETTER))
    return '\n'.join(
        part
        for line in text.split('\n')
        for part in textwrap.wrap(line, letters, break_on_hyphens=False)
        or ['']
    )


def _height(row: Row, cell: float) -> float:
    shapes = [one.picture.shape for one in row.cells]
    return (cell - _GAP) * max(shape[0] / shape[1] for shape in shapes)


def _title_height(row: Row) -> float:
    titles = [one.title for one in row.cells if one.title]
    lines = max((title.count('\n') + 1 for title in titles), default=0)
    return _TITLE + _LINE * lines if lines else 0.0


def _draw_bar(
    figure: Figure, bar: ColourBar, width: float, height: float
) -> None:
    long, thick = min(2.5, 0.6 * width), 0.09
    axes = figure.add_axes(
        (
            0.5 - 0.5 * long / width,
            0.3 / height,
            long / width,
            thick / height,
        )
    )
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=bar.colours, aspect='auto')
    axes.set_axis_off()
    text = dict(transform=axes.transAxes, fontsize=_FONT - 1)
    axes.text(-0.02, 0.5, bar.first, ha='right', va='center', **text)
    axes.text(1.02, 0.5, bar.last, ha='left', va='center', **text)
    axes.text(0.5, -0.6, bar.name, ha='center', va='top', **text)


def enlarged(picture: np.ndarray, longest: int) -> np.ndarray:
    """A picture whose longer side has a length.

    Args:
        picture (np.ndarray): (H, W, 3).
        longest (int): Pixels. What is drawn on it is as large on all
            pictures then.
    """
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, size, interpolation=kind)


def heat(
    picture: np.ndarray,
    values: np.ndarray,
    share: float = 0.55,
    smooth: bool = True,
    colours: str = 'turbo',
) -> np.ndarray:
    """A map of numbers over a picture.

    Args:
        picture (np.ndarray): (H, W, 3), RGB, uint8.
        values (np.ndarray): (h, w) numbers from 0 to 1: of the places of a
            map that covers the picture.
        share (float): How much of a pixel is the map's.
        smooth (bool): Whether there are values between those of two places.
        colours (str): A colour map of matplotlib.

    Returns:
        np.ndarray: Like ``picture``.
    """
    height, width = picture.shape[:2]
    kind = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    values = values.astype(np.float32)
    values = cv2.resize(values, (width, height), interpolation=kind)
    painted = 255 * colormaps[colours](np.clip(values, 0, 1))[..., :3]
    mixed = share * painted + (1 - share) * picture
    return mixed.round().astype(np.uint8)
