"""One picture with predictions below the ground truth."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

Colour = tuple[int, int, int]
Cell = Callable[[Axes], None]

_CELL = 1.9  # inches
_MARGIN = 0.3
_DPI = 120


def contact_sheet(
    out: str | Path,
    stacks: Sequence[Sequence[Cell]],
    legend: dict[str, Colour],
    columns: int = 6,
    names: Sequence[str] = ('ground truth', 'prediction'),
) -> None:
    """Writes a PNG: per image, the ground truth above the prediction.

    Args:
        out: File to write; its folder is made.
        stacks: For each image, functions that draw what `names` says into
            axes, from top to bottom.
        legend: RGB colours, 0 to 255, by class name.
        columns: Images side by side.
        names: What each row shows.
    """
    height_of_stack = len(names)
    columns = min(columns, len(stacks))
    rows = height_of_stack * -(-len(stacks) // columns)
    width = columns * _CELL + _MARGIN
    height = rows * _CELL + _MARGIN
    figure = Figure(figsize=(width, height), dpi=_DPI)
    for index, stack in enumerate(stacks):
        band, column = divmod(index, columns)
        for row, draw in enumerate(stack, start=height_of_stack * band):
            gap = 0.02
            axes = figure.add_axes(
                (
                    (_MARGIN + column * _CELL) / width,
                    1 - (_MARGIN + (row + 1) * _CELL) / height,
                    (_CELL - gap) / width,
                    (_CELL - gap) / height,
                )
            )
            draw(axes)
            axes.set_axis_off()
    for row in range(rows):
        figure.text(
            0.55 * _MARGIN / width,
            1 - (_MARGIN + (row + 0.5) * _CELL) / height,
            names[row % height_of_stack],
            rotation=90,
            ha='center',
            va='center',
        )
    figure.legend(
        handles=[
            Patch(color=np.divide(colour, 255), label=name)
            for name, colour in legend.items()
        ],
        loc='upper center',
        bbox_to_anchor=(0.5, 1.01),
        ncols=len(legend),
        frameon=False,
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    # Half the bytes: the picture is made to be sent around.
    picture.quantize(256).save(out, optimize=True)
