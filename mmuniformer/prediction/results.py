"""What a model says of an image or a video, a class for each kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

TOP = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """What all results have.

    Attributes:
        file (str): Path or link as it was given; empty for an array.
        height (int): Of the image or of the frames of the video, in pixels.
        width (int): The same.
        frame (int, optional): Number of the frame, from 0, where an image is
            one of a video or a camera.
    """

    file: str
    height: int
    width: int
    frame: int | None = None

    def resized(self, height: int, width: int) -> 'Result':
        """The same of an image of another size."""
        return replace(self, height=height, width=width)

    def _scale(self, height: int, width: int) -> np.ndarray:
        return np.array([width / self.width, height / self.height], np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        place = dict(file=self.file, width=self.width, height=self.height)
        return place if self.frame is None else {**place, 'frame': self.frame}


@dataclass(frozen=True, eq=False, kw_only=True)
class Objects(Result):
    """What a detector finds, the highest score first.

    Attributes:
        boxes (np.ndarray): (N, 4) x1, y1, x2, y2 in pixels, float32.
        scores (np.ndarray): (N,), 0 to 1.
        labels (np.ndarray): (N,) indices of classes.
        names (tuple[str, ...]): The N names of these classes.
        masks (np.ndarray, optional): (N, H, W) bool; None if the model has
            no masks.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    masks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def resized(self, height: int, width: int) -> 'Objects':
        """The same of an image of another size."""
        masks = self.masks
        if masks is not None:
            whole = [_resize_labels(mask, height, width) for mask in masks]
            masks = np.array(whole, bool).reshape(-1, height, width)
        return replace(
            self,
            height=height,
            width=width,
            boxes=self.boxes * np.tile(self._scale(height, width), 2),
            masks=masks,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; masks as COCO's run lengths."""
        objects = []
        for index, box in enumerate(self.boxes):
            entry = dict(
                label=int(self.labels[index]),
                name=self.names[index],
                score=rounded(self.scores[index], 5),
                box=rounded(box),
            )
            if self.masks is not None:
                entry['mask'] = run_lengths(self.masks[index])
            objects.append(entry)
        return {**super().to_dict(), 'objects': objects}


@dataclass(frozen=True, eq=False, kw_only=True)
class Poses(Result):
    """The keypoints of N people or animals.

    Attributes:
        boxes (np.ndarray): (N, 4) x1, y1, x2, y2 in pixels: where they were
            looked for.
        box_scores (np.ndarray): (N,) of the detector; 1 without one.
        keypoints (np.ndarray): (N, K, 2) x, y in pixels, float32.
        scores (np.ndarray): (N, K) of the keypoints.
        names (tuple[str, ...]): The K keypoints.
        links (tuple[tuple[int, int], ...]): Pairs of keypoints that the
            skeleton joins.
    """

    boxes: np.ndarray
    box_scores: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.keypoints)

    def resized(self, height: int, width: int) -> 'Poses':
        """The same of an image of another size."""
        scale = self._scale(height, width)
        return replace(
            self,
            height=height,
            width=width,
            boxes=self.boxes * np.tile(scale, 2),
            keypoints=self.keypoints * scale,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a keypoint is x, y, score."""
        objects = []
        for index, points in enumerate(self.keypoints):
            named = {
                name: [*rounded(point), rounded(score, 4)]
                for name, point, score in zip(
                    self.names, points, self.scores[index], strict=True
                )
            }
            objects.append(
                dict(
                    score=rounded(self.box_scores[index], 5),
                    box=rounded(self.boxes[index]),
                    keypoints=named,
                )
            )
        return {**super().to_dict(), 'objects': objects}


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelMap(Result):
    """The class of each pixel.

    Attributes:
        labels (np.ndarray): (H, W) indices of classes, int64.
        classes (tuple[str, ...]): Names of all classes of the model.
    """

    labels: np.ndarray
    classes: tuple[str, ...]

    def resized(self, height: int, width: int) -> 'LabelMap':
        """The same of an image of another size."""
        labels = _resize_labels(self.labels, height, width)
        return replace(self, height=height, width=width, labels=labels)

    def shares(self) -> dict[str, float]:
        """The classes that occur and their share of the image, largest first.

        Returns:
            dict[str, float]: Shares from 0 to 1 by name.
        """
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        found = [i for i in np.argsort(-counts, kind='stable') if counts[i]]
        return {
            self.classes[i]: float(counts[i] / counts.sum()) for i in found
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: shares, not the map."""
        shares = {k: rounded(v, 5) for k, v in self.shares().items()}
        return {**super().to_dict(), 'shares': shares}


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassScores(Result):
    """The class of an image, or the action of a video.

    Attributes:
        scores (np.ndarray): (C,), one for each class.
        classes (tuple[str, ...]): Names of all classes of the model.
    """

    scores: np.ndarray
    classes: tuple[str, ...]

    @property
    def label(self) -> int:
        """Index of the class with the highest score."""
        return int(np.argmax(self.scores))

    @property
    def name(self) -> str:
        """Its name."""
        return self.classes[self.label]

    @property
    def score(self) -> float:
        """Its score."""
        return float(self.scores[self.label])

    def top(self, number: int = TOP) -> list[tuple[str, float]]:
        """Names and scores of the classes with the highest scores."""
        best = np.argsort(-self.scores, kind='stable')[:number]
        return [(self.classes[i], float(self.scores[i])) for i in best]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the five best classes."""
        best = np.argsort(-self.scores, kind='stable')[:TOP]
        top = [
            dict(
                label=int(i),
                name=self.classes[i],
                score=rounded(self.scores[i], 5),
            )
            for i in best
        ]
        return {**super().to_dict(), 'top': top}


def _resize_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map (H, W) in another size: the value at the middle of each pixel."""
    rows, columns = (
        ((np.arange(to) + 0.5) * size / to).astype(int)
        for size, to in zip(labels.shape, (height, width), strict=True)
    )
    return labels[np.ix_(rows, columns)]


def rounded(values: Any, digits: int = 2) -> Any:
    """A number, or a list of numbers, as short as it is worth in a file."""
    if np.ndim(values):
        return [round(float(value), digits) for value in values]
    return round(float(values), digits)


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) as COCO's compressed run lengths, in text."""
    code = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    size = [int(side) for side in code['size']]
    return dict(size=size, counts=code['counts'].decode())


def class_names(names: Sequence[str] | None, number: int) -> tuple[str, ...]:
    """Names of classes; their numbers where there are no names.

    Args:
        names (Sequence[str], optional): As many as are known; mmpose has
            COCO's categories in their place.
        number (int): How many classes the model has.
    """
    names = tuple(
        str(name['name'] if isinstance(name, Mapping) else name)
        for name in names or ()
    )
    return names + tuple(map(str, range(len(names), number)))
