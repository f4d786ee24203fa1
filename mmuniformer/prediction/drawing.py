"""A result over its image."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mmuniformer.prediction.results import (
    ClassScores,
    LabelMap,
    Objects,
    Poses,
    Result,
)
from mmuniformer.visualization.overlays import (
    draw_classes,
    draw_label_map,
    draw_objects,
    draw_skeletons,
)
from mmuniformer.visualization.tags import Colour, palette

# A keypoint of no side, a left and a right one; BGR.
GREEN, ORANGE, BLUE = (90, 210, 90), (40, 140, 255), (255, 140, 50)


class Drawing:
    """Draws results in the colours of a data set.

    Args:
        metainfo (dict): Of the data set: ``palette``, colours of keypoints.
        threshold (float): Least score of a keypoint that is drawn.
    """

    def __init__(self, metainfo: dict[str, Any], threshold: float) -> None:
        self.metainfo = metainfo
        self.threshold = threshold

    def on(self, image: np.ndarray, result: Result) -> np.ndarray:
        """Draws a result.

        Args:
            image (np.ndarray): (H, W, 3), BGR, uint8; not changed.
            result (Result): Of that image, or of its video.

        Returns:
            np.ndarray: Like ``image``.
        """
        picture = image.copy()
        DRAWERS[type(result)](self, picture, result)
        return picture

    def colours(self, number: int) -> list[Colour]:
        """BGR of classes: the data set's, if it has as many."""
        given = self.metainfo.get('palette')
        # mmdet has the word 'random', too.
        is_list = isinstance(given, Sequence) and not isinstance(given, str)
        if is_list and len(given) >= number:
            return [_bgr(colour) for colour in given]
        return self._own[:number]

    @cached_property
    def _own(self) -> list[Colour]:
        return palette(4096)

    def keypoint_colours(self, names: Sequence[str]) -> list[Colour]:
        """BGR of keypoints: the data set's, or those of their sides."""
        given = self.metainfo.get('keypoint_colors')
        if given is not None and len(given) == len(names):
            return [_bgr(colour) for colour in given]
        return [_of_side(name) for name in names]

    def link_colours(self, poses: Poses) -> list[Colour]:
        """BGR of the links of a skeleton."""
        given = self.metainfo.get('skeleton_link_colors')
        if given is not None and len(given) == len(poses.links):
            return [_bgr(colour) for colour in given]
        of_points = self.keypoint_colours(poses.names)
        return [of_points[last] for _, last in poses.links]


def _bgr(colour: Sequence[int]) -> Colour:
    red, green, blue = (int(value) for value in colour)
    return blue, green, red


def _of_side(name: str) -> Colour:
    words = name.lower().replace('-', '_').split('_')
    if 'left' in words or 'l' in words:
        return ORANGE
    return BLUE if 'right' in words or 'r' in words else GREEN


def lines(scores: ClassScores) -> list[str]:
    """The five best classes, a line each."""
    return [f'{100 * score:.1f} %  {name}' for name, score in scores.top()]


def _draw_objects(
    drawing: Drawing, image: np.ndarray, result: Objects
) -> None:
    colours = drawing.colours(int(result.labels.max(initial=0)) + 1)
    texts = [
        f'{name} {score:.2f}'
        for name, score in zip(result.names, result.scores, strict=True)
    ]
    draw_objects(
        image,
        result.boxes,
        texts,
        [colours[label] for label in result.labels],
        result.masks,
    )


def _draw_poses(drawing: Drawing, image: np.ndarray, result: Poses) -> None:
    draw_skeletons(
        image,
        result.keypoints,
        result.scores >= drawing.threshold,
        result.links,
        drawing.keypoint_colours(result.names),
        drawing.link_colours(result),
    )


def _draw_label_map(
    drawing: Drawing, image: np.ndarray, result: LabelMap
) -> None:
    colours = drawing.colours(len(result.classes))
    draw_label_map(image, result.labels, result.classes, colours)


def _draw_classes(
    drawing: Drawing, image: np.ndarray, result: ClassScores
) -> None:
    draw_classes(image, lines(result))


DRAWERS: dict[type[Result], Callable[[Drawing, np.ndarray, Any], None]] = {
    Objects: _draw_objects,
    Poses: _draw_poses,
    LabelMap: _draw_label_map,
    ClassScores: _draw_classes,
}
