"""Skeletons over their images, for the contact sheet."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from mmengine.config import Config
from mmengine.fileio import load
from pycocotools.coco import COCO

from mmuniformer.visualization.contact_sheet import Colour, contact_sheet

# Width of a line of the longer side of a picture.
LIMB = 1 / 200
# A side that is mistaken for the other shows.
COLOURS: dict[str, Colour] = {
    'left': (240, 80, 60),
    'right': (60, 140, 240),
    'middle': (90, 210, 90),
}


class Skeleton(NamedTuple):
    """What a category of COCO says of its keypoints.

    Attributes:
        names: The K keypoints, such as 'left_knee'.
        bones: Pairs of their indices, from 0.
    """

    names: Sequence[str]
    bones: Sequence[tuple[int, int]]


class Poses(NamedTuple):
    """People in one image.

    Attributes:
        points: (N, K, 2) x, y in pixels.
        shown: (N, K) bool.
    """

    points: np.ndarray
    shown: np.ndarray


def draw_poses(
    axes: Axes,
    image: np.ndarray,
    poses: Poses,
    skeleton: Skeleton,
    marker: float = 2.6,
) -> None:
    """Draws an image (H, W, 3), RGB, and skeletons with ``marker`` points."""
    axes.imshow(image)
    height, width = image.shape[:2]
    sides = [_side(name) for name in skeleton.names]
    for points, shown in zip(poses.points, poses.shown, strict=True):
        for bone in skeleton.bones:
            ends = list(bone)
            if not shown[ends].all():
                continue
            first, second = (sides[end] for end in ends)
            colour = np.divide(
                COLOURS[first if first == second else 'middle'], 255
            )
            # Pixel centres are whole numbers in matplotlib.
            axes.plot(*(points[ends].T - 0.5), color=colour, lw=1.6)
        for index in np.flatnonzero(shown):
            axes.plot(
                *(points[index] - 0.5),
                marker='o',
                ms=marker,
                mec='white',
                mew=0.4,
                color=np.divide(COLOURS[sides[index]], 255),
            )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def scale_skeletons(visualizer: Any, shape: Sequence[int] | None) -> None:
    """Has mmpose's visualizer draw as thick as a picture is large.

    Its lines are one pixel wide, whatever the photo: on a large one they
    cannot be seen. Of a small picture they stay what its config says.

    Args:
        visualizer (Any): Of any library; others draw no skeletons.
        shape (Sequence[int], optional): Height and width of the picture.
    """
    if shape is None or not hasattr(visualizer, 'kpt_color'):
        return
    if not hasattr(visualizer, 'settings_of_config'):
        visualizer.settings_of_config = (
            visualizer.radius,
            visualizer.line_width,
        )
    radius, width = visualizer.settings_of_config
    longest = max(shape[:2])
    visualizer.radius = max(radius, round(longest * LIMB))
    visualizer.line_width = max(width, round(longest * LIMB))


def pose_sheet(
    out: str | Path,
    config: Config,
    predictions: str | Path,
    count: int = 6,
    threshold: float = 0.3,
) -> None:
    """Draws the first test images with true and predicted skeletons.

    Args:
        out: PNG file to write.
        config: Config of mmpose whose test data set is in COCO format.
        predictions: What ``mmuniformer test --out`` wrote.
        count: Number of images.
        threshold: Least score of a predicted keypoint that is shown.
    """
    dataset = config.test_dataloader.dataset
    coco = COCO(str(Path(dataset.data_root) / dataset.ann_file))
    (category,) = coco.loadCats(coco.getCatIds())
    skeleton = Skeleton(
        category['keypoints'],
        [(first - 1, last - 1) for first, last in category['skeleton']],
    )
    by_image: dict[int, list[dict]] = {}
    for result in load(str(predictions)):
        by_image.setdefault(result['img_id'], []).append(result)
    draw = partial(draw_poses, skeleton=skeleton)
    pairs = []
    for image_id, results in list(by_image.items())[:count]:
        image = cv2.imread(results[0]['img_path'])[..., ::-1]
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        pairs.append(
            (
                partial(draw, image=image, poses=_from_coco(annotations)),
                partial(
                    draw, image=image, poses=_from_dump(results, threshold)
                ),
            )
        )
    contact_sheet(out, pairs, COLOURS)


def _side(name: str) -> str:
    side = name.split('_')[0]
    return side if side in COLOURS else 'middle'


def _from_coco(annotations: list[dict]) -> Poses:
    keypoints = [
        np.reshape(item['keypoints'], (-1, 3)) for item in annotations
    ]
    values = np.array(keypoints, float)
    return Poses(values[..., :2], values[..., 2] > 0)


def _from_dump(results: list[dict], threshold: float) -> Poses:
    people = [result['pred_instances'] for result in results]
    points = np.concatenate([p['keypoints'] for p in people])
    scores = np.concatenate([p['keypoint_scores'] for p in people])
    return Poses(points, scores >= threshold)
