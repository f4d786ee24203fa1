"""Maps of labels beside their images, for the contact sheet."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from mmengine.config import Config
from mmengine.fileio import load

from mmuniformer.visualization.contact_sheet import contact_sheet


def semantic_sheet(
    out: str | Path, config: Config, predictions: str | Path, count: int = 6
) -> None:
    """Draws the first test images with ground truth and predicted labels.

    Args:
        out: PNG file to write.
        config: Config of mmseg whose test data set has a palette in its
            ``metainfo``.
        predictions: What ``mmuniformer test --out`` wrote.
        count: Number of images.
    """
    metainfo = config.test_dataloader.dataset.metainfo
    palette = np.array(metainfo.palette, np.uint8)
    stacks = []
    for result in load(str(predictions))[:count]:
        image = cv2.imread(result['img_path'])[..., ::-1]
        maps = [
            paint(np.asarray(result[key]['data']).squeeze(), palette)
            for key in ('gt_sem_seg', 'pred_sem_seg')
        ]
        stacks.append([partial(_show, image=i) for i in (image, *maps)])
    contact_sheet(
        out,
        stacks,
        dict(zip(metainfo.classes, metainfo.palette, strict=True)),
        names=('image', 'ground truth', 'prediction'),
    )


def paint(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colours a map of labels.

    Args:
        labels: (H, W) indices into the palette; any other is white.
        palette: (C, 3) RGB, 0 to 255.

    Returns:
        (H, W, 3) uint8.
    """
    white = np.full((1, 3), 255, np.uint8)
    colours = np.concatenate([palette, white])
    return colours[np.minimum(labels, len(palette))]


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image)
