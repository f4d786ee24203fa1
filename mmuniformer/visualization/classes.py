"""Pictures with their classes, for the contact sheet."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
from mmengine.config import Config
from mmengine.fileio import load

from mmuniformer.visualization.actions import COLOURS, draw_frame
from mmuniformer.visualization.contact_sheet import Cell, contact_sheet

_ROWS = ('first', 'second', 'third', 'least sure')


def class_sheet(
    out: str | Path, config: Config, predictions: str | Path, count: int = 8
) -> None:
    """Draws test images of each class, and the one with its lowest score.

    Args:
        out: PNG file to write.
        config: Config of mmpretrain whose test data set has ``classes`` in
            its ``metainfo``.
        predictions: What ``mmuniformer test --out`` wrote.
        count: Number of classes.
    """
    classes = config.test_dataloader.dataset.metainfo.classes
    results: dict[int, list[dict]] = {}
    for result in load(str(predictions)):
        results.setdefault(result['gt_label'].item(), []).append(result)
    stacks = []
    for label, found in sorted(results.items())[:count]:
        first = found[: len(_ROWS) - 1]
        # Data sets may be small: the rows stay in their places.
        first += [first[-1]] * (len(_ROWS) - 1 - len(first))
        hardest = min(found, key=lambda r: r['pred_score'][label].item())
        stacks.append([_cell(r, classes) for r in (*first, hardest)])
    contact_sheet(out, stacks, COLOURS, columns=count, names=_ROWS)


def _cell(result: dict, classes: Sequence[str]) -> Cell:
    label, found = (result[key].item() for key in ('gt_label', 'pred_label'))
    kind = 'right' if found == label else 'wrong'
    share = result['pred_score'][found].item()
    return partial(
        draw_frame,
        image=cv2.imread(result['img_path'])[..., ::-1],
        lines=[
            (classes[label], (40, 40, 40)),
            (
                f'{classes[found]} {100 * share:.0f} %',
                COLOURS[f'{kind} prediction'],
            ),
        ],
    )
