"""Boxes and masks over their images, for the contact sheet."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from mmengine.config import Config
from mmengine.fileio import load
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from mmuniformer.visualization.contact_sheet import Colour, contact_sheet


class Instances(NamedTuple):
    """Objects in one image.

    Attributes:
        labels: (N,) indices of classes.
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        masks: N of (H, W) bool, None for an object that has none; None if
            there are boxes alone.
        scores: (N,), or None for ground truth.
    """

    labels: np.ndarray
    boxes: np.ndarray
    masks: Sequence[np.ndarray | None] | None
    scores: np.ndarray | None = None


def draw_instances(
    axes: Axes,
    image: np.ndarray,
    instances: Instances,
    classes: Sequence[str],
    colours: Sequence[Colour],
) -> None:
    """Draws an image (H, W, 3), RGB, and masks, boxes, labels over it."""
    axes.imshow(image)
    height, width = image.shape[:2]
    for index, label in enumerate(instances.labels):
        colour = tuple(np.divide(colours[label], 255))
        mask = None if instances.masks is None else instances.masks[index]
        if mask is not None and mask.any():
            overlay = np.zeros((height, width, 4))
            overlay[mask] = [*colour, 0.55]
            axes.imshow(overlay)
            axes.contour(mask, [0.5], colors=[colour], linewidths=1)
        # Pixel centres are whole numbers in matplotlib.
        x1, y1, x2, y2 = instances.boxes[index] - 0.5
        axes.add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, lw=1)
        )
        text = classes[label]
        if instances.scores is not None:
            text += f' {instances.scores[index]:.0%}'
        # Labels stay inside the picture.
        right = x1 > 0.65 * width
        axes.text(
            min(x2, width - 2) if right else max(x1, 0),
            max(y1, 0.05 * height),
            text,
            color='white',
            fontsize=6.5,
            ha='right' if right else 'left',
            va='bottom',
            bbox={'facecolor': colour, 'edgecolor': 'none', 'pad': 0.8},
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def detection_sheet(
    out: str | Path,
    config: Config,
    predictions: str | Path,
    count: int = 6,
    threshold: float = 0.5,
) -> None:
    """Draws the first test images with ground truth and predictions.

    Args:
        out: PNG file to write.
        config: Config of mmdet whose test data set is a CocoDataset with
            ``metainfo``.
        predictions: What ``mmuniformer test --out`` wrote.
        count: Number of images.
        threshold: Least score of a prediction that is shown.
    """
    dataset = config.test_dataloader.dataset
    classes, colours = dataset.metainfo.classes, dataset.metainfo.palette
    root = Path(dataset.data_root)
    coco = COCO(str(root / dataset.ann_file))
    draw = partial(draw_instances, classes=classes, colours=colours)
    pairs = []
    for result in load(str(predictions))[:count]:
        image = cv2.imread(result['img_path'])[..., ::-1]
        annotations = coco.loadAnns(coco.getAnnIds(result['img_id']))
        truth = _from_coco(coco, annotations, classes)
        found = _from_dump(result['pred_instances'], threshold)
        pairs.append(
            (
                partial(draw, image=image, instances=truth),
                partial(draw, image=image, instances=found),
            )
        )
    contact_sheet(out, pairs, dict(zip(classes, colours, strict=True)))


def _from_coco(
    coco: COCO, annotations: list[dict], classes: Sequence[str]
) -> Instances:
    names = [coco.cats[item['category_id']]['name'] for item in annotations]
    boxes = np.array([item['bbox'] for item in annotations], float)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(
        labels=np.array([classes.index(name) for name in names]),
        boxes=boxes,
        masks=np.array([coco.annToMask(item) for item in annotations], bool),
    )


def _from_dump(result: dict, threshold: float) -> Instances:
    keep = np.flatnonzero(np.asarray(result['scores']) >= threshold)
    masks = [coco_mask.decode(result['masks'][index]) for index in keep]
    return Instances(
        labels=np.asarray(result['labels'])[keep],
        boxes=np.asarray(result['bboxes'])[keep],
        masks=np.array(masks, bool),
        scores=np.asarray(result['scores'])[keep],
    )
