"""Pictures with what is known about them."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from mmuniformer.datasets.shapes import render, sample_scene
from mmuniformer.datasets.shapes.draw import owner_map


@dataclass(frozen=True)
class Picture:
    """An image and its annotations.

    Attributes:
        image (np.ndarray): (H, W, 3) uint8, BGR.
        boxes (np.ndarray): (N, 4) float32, x1, y1, x2, y2 in pixels.
        labels (np.ndarray): (N,) int64 from 0.
        masks (np.ndarray): (N, H, W) uint8.
        keypoints (np.ndarray): (M, 17, 3) float32: x, y and whether it is
            known, of the people.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    keypoints: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.shape[:2]


def draw(
    seed: int, size: int, shape: tuple[int, int] | None = None
) -> Picture:
    """A generated picture.

    Args:
        seed (int): The same seed gives the same picture.
        size (int): Its side in pixels, before ``shape``.
        shape (tuple[int, int], optional): (H, W) to bring it to.
    """
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, max(size, 64))
    while not any(thing.keypoints is not None for thing in scene.things):
        scene = sample_scene(rng, max(size, 64))
    owner = owner_map(scene)
    masks = np.stack(
        [owner == number for number in range(1, len(scene.things) + 1)]
    ).astype(np.uint8)
    people = [t.keypoints for t in scene.things if t.keypoints is not None]
    image = np.ascontiguousarray(render(scene, rng)[..., ::-1])
    boxes = []
    for mask in masks:
        x, y, width, height = cv2.boundingRect(mask)
        boxes.append([x, y, x + width, y + height])
    picture = Picture(
        image=image,
        boxes=np.array(boxes, np.float32),
        labels=np.array([thing.label - 1 for thing in scene.things]),
        masks=masks,
        keypoints=np.stack(people).astype(np.float32),
    )
    wanted = shape or (size, size)
    return picture if picture.size == wanted else _resize(picture, wanted)


def read(path: str | Path, size: int) -> Picture:
    """A picture of a file, with one box around the whole."""
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f'{path} is not an image')
    image = cv2.resize(image, (size, size))
    return Picture(
        image=image,
        boxes=np.array([[0, 0, size, size]], np.float32),
        labels=np.zeros(1, np.int64),
        masks=np.ones((1, size, size), np.uint8),
        keypoints=np.full((1, 17, 3), size / 2, np.float32),
    )


def as_tensor(picture: Picture, model: dict) -> torch.Tensor:
    """The image (C, H, W) of uint8, with as many channels as a model reads.

    Args:
        picture (Picture): Its colours, again and again.
        model (dict): ``cfg.model``.
    """
    channels = (model.get('backbone') or {}).get('in_channels', 3)
    count = channels if isinstance(channels, int) else 3
    planes = picture.image.transpose(2, 0, 1)
    return torch.from_numpy(planes[np.arange(count) % 3])


def resized(picture: Picture, shape: tuple[int, int]) -> Picture:
    """The picture with another height and width."""
    return picture if picture.size == shape else _resize(picture, shape)


def _resize(picture: Picture, shape: tuple[int, int]) -> Picture:
    height, width = shape
    old = picture.size
    factor = np.array([width / old[1], height / old[0]], np.float32)
    masks = [
        cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        for mask in picture.masks
    ]
    keypoints = picture.keypoints.copy()
    keypoints[..., :2] *= factor
    return Picture(
        image=cv2.resize(picture.image, (width, height)),
        boxes=picture.boxes * np.tile(factor, 2),
        labels=picture.labels,
        masks=np.stack(masks),
        keypoints=keypoints,
    )
