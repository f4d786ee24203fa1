"""Videos with their classes, for the contact sheet."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from mmcv import VideoReader
from mmengine.config import Config
from mmengine.fileio import load

from mmuniformer.visualization.contact_sheet import Colour, contact_sheet

COLOURS: dict[str, Colour] = {
    'right prediction': (40, 140, 60),
    'wrong prediction': (200, 50, 50),
}
_TIMES = ('start', '', 'middle', '', 'end')


def action_sheet(
    out: str | Path, config: Config, predictions: str | Path, count: int = 8
) -> None:
    """Draws the first test video of each class, time running downwards.

    Args:
        out: PNG file to write.
        config: Config of mmaction2 whose test data set has ``classes`` in its
            ``metainfo`` and packs ``filename``.
        predictions: What ``mmuniformer test --out`` wrote.
        count: Number of classes.
    """
    classes = config.test_dataloader.dataset.metainfo.classes
    first: dict[int, dict] = {}
    for result in load(str(predictions)):
        first.setdefault(result['gt_label'].item(), result)
    stacks = []
    for label, result in sorted(first.items())[:count]:
        frames = VideoReader(result['filename'])[:]
        moments = np.linspace(0, len(frames) - 1, len(_TIMES)).round()
        top, *rest = (frames[int(m)][..., ::-1] for m in moments)
        found = result['pred_label'].item()
        kind = 'right' if found == label else 'wrong'
        lines = [
            (classes[label], (40, 40, 40)),
            (classes[found], COLOURS[f'{kind} prediction']),
        ]
        stacks.append(
            [
                partial(draw_frame, image=top, lines=lines),
                *(partial(draw_frame, image=image) for image in rest),
            ]
        )
    contact_sheet(out, stacks, COLOURS, columns=count, names=_TIMES)


def draw_frame(
    axes: Axes,
    image: np.ndarray,
    lines: Sequence[tuple[str, Colour]] = (),
) -> None:
    """Draws an image (H, W, 3), RGB, and lines of text on their colours."""
    axes.imshow(image, interpolation='bicubic')
    for index, (text, colour) in enumerate(lines):
        axes.text(
            0.03,
            0.96 - 0.14 * index,
            text,
            transform=axes.transAxes,
            color='white',
            fontsize=7.5,
            va='top',
            bbox={
                'facecolor': np.divide(colour, 255),
                'edgecolor': 'none',
                'pad': 1.5,
            },
        )
