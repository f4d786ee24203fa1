"""Names beside the points of a scatter, each where nothing else is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

# Where a name may stand: offset in points, the side of the point, and the
# line to it where that is not the nearest.
LINE = dict(arrowstyle='-', linewidth=0.4, color='#999999', shrinkA=0)
PLACES = [
    (distance * dx, distance * dy, ha, va, LINE if distance > 1 else None)
    for distance in (1, 1.7, 3, 4.5)
    for dx, dy, ha, va in (
        (6, 0, 'left', 'center'),
        (4, 4, 'left', 'bottom'),
        (4, -4, 'left', 'top'),
        (-6, 0, 'right', 'center'),
        (-4, 4, 'right', 'bottom'),
        (-4, -4, 'right', 'top'),
        (0, 6, 'center', 'bottom'),
        (0, -6, 'center', 'top'),
    )
]
# Half of the side of what is drawn at a point, in pixels.
MARKER = 5


@dataclass(frozen=True)
class Name:
    """A name and the point that it is of.

    Args:
        text (str): What is written.
        x (float): Of the point.
        y (float): Of the point.
        color (str): Of the text.
    """

    text: str
    x: float
    y: float
    color: str


def place(
    ax: Axes,
    names: Sequence[Name],
    points: Sequence[tuple[float, float]],
    size: float = 6.5,
) -> list[str]:
    """Writes names where they cover neither points nor each other.

    Limits and legend of the axes must be as they will stay.

    Args:
        ax (Axes): Whose figure has its size.
        names (Sequence[Name]): The most important first.
        points (Sequence[tuple]): All that is drawn.
        size (float): Of the letters, in points.

    Returns:
        list[str]: What found no place, and is not written.
    """
    # Limits and transforms are those of a drawn figure.
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    frame = ax.get_window_extent(renderer)
    pixels = ax.transData.transform(np.asarray(points, dtype=float))
    taken = [
        Bbox.from_extents(x - MARKER, y - MARKER, x + MARKER, y + MARKER)
        for x, y in pixels
    ]
    legend = ax.get_legend()
    if legend is not None:
        taken.append(legend.get_window_extent(renderer))
    left_out = []
    for name in names:
        for dx, dy, ha, va, line in PLACES:
            text = ax.annotate(
                name.text,
                (name.x, name.y),
                xytext=(dx, dy),
                textcoords='offset points',
                ha=ha,
                va=va,
                fontsize=size,
                color=name.color,
                arrowprops=line,
            )
            # Of the letters, without the line.
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside &= frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()
        else:
            left_out.append(name.text)
    return left_out
