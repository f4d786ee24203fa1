"""Whether a file gives what the model gives, at sizes it was not traced at."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from mmuniformer.datasets.shapes import render, sample_scene
from mmuniformer.deployment.formats import Outputs
from mmuniformer.deployment.networks.base import (
    LABELS,
    OBJECTS,
    VALUES,
    Network,
    Output,
)
from mmuniformer.deployment.tracing import Shape

# Largest difference in parts of the largest value, by the type of weights.
TOLERANCES = {'float32': 1e-4, 'float16': 0.05, 'bfloat16': 0.2, 'int8': 0.5}
# Largest share of labels, keypoints and boxes that are others: near a
# boundary the last bit decides.
SHARES = {'float32': 0.005, 'float16': 0.03, 'bfloat16': 0.1, 'int8': 0.75}
BATCHES = (1, 3)
# Height and width in parts of the traced ones, of which the longer side is
# taken to be no longer than this.
PARTS = ((0.75, 1.25), (1.25, 1.1), (1.5, 0.75))
LONGEST = 320
# Pixels that a keypoint may be away, and the score and the overlap of the same
# box.
NEAR, SCORE, OVERLAP = 1.0, 0.05, 0.9
CANDIDATES = 'all '


@dataclass(frozen=True)
class Difference:
    """Of one output of a file and of the model.

    Attributes:
        shape (tuple[int, ...]): Of the input.
        output (str): Name of the output.
        largest (float): Largest difference of a value; of labels, keypoints
            and boxes the share of those that are others.
        relative (float, optional): That in parts of the largest value; None
            of shares.
        limit (float): What ``relative``, or the share, may be.
    """

    shape: tuple[int, ...]
    output: str
    largest: float
    relative: float | None
    limit: float

    @property
    def is_large(self) -> bool:
        """Whether it is above the limit, or no number."""
        value = self.largest if self.relative is None else self.relative
        return not value <= self.limit


def unseen_shapes(shape: Shape) -> list[tuple[int, ...]]:
    """Shapes of inputs that a file is tried with.

    Args:
        shape (Shape): That it was traced at.

    Returns:
        list[tuple[int, ...]]: Three sizes, each with batch 1 and 3, and a
        small one; of a static file the one that it takes.
    """
    if shape.static:
        return [shape.of(1, shape.size)]
    factor = min(1.0, LONGEST / max(shape.size))
    height, width = (side * factor for side in shape.size)
    sizes = []
    for index, (tall, wide) in enumerate(PARTS):
        # An odd size, an even one, and one that is a multiple of 32.
        size = [int(height * tall), int(width * wide)]
        size = [side | 1 if index == 0 else side + side % 2 for side in size]
        if index == 2:
            size = [-(-side // 32) * 32 for side in size]
        size = [max(side, shape.smallest + index) for side in size]
        sizes.append((size[0], size[1]))
    frames = shape.frames
    if shape.dynamic_frames:
        frames = frames + 2
    shapes = [
        shape.of(batch, size, frames) for size in sizes for batch in BATCHES
    ]
    # A map of a pixel or two.
    if shape.dynamic_frames:
        frames = shape.fewest
    return [*shapes, shape.of(1, (shape.least, shape.least + 15), frames)]


def pictures(shape: Sequence[int]) -> np.ndarray:
    """Drawn images or clips for a model.

    Args:
        shape (Sequence[int]): (B, H, W, C) or (B, T, H, W, C).

    Returns:
        np.ndarray: uint8 of three channels, else float32; 0 to 255.
    """
    batch, *clip, height, width, channels = shape
    rng = np.random.default_rng(batch * height + width)
    images = []
    for _ in range(batch):
        scene = sample_scene(rng, 160)
        image = cv2.resize(render(scene, rng), (width, height))
        bands = [image[..., band % 3] for band in range(channels)]
        images.append(np.stack(bands, -1))
    array = np.stack(images)
    if clip:
        moved = [np.roll(array, 3 * step, axis=2) for step in range(clip[0])]
        array = np.stack(moved, 1)
    return array if channels == 3 else array.astype(np.float32)


def expected(network: Network, images: np.ndarray) -> Outputs:
    """What the model gives, without any file.

    Of boxes also those that are not chosen, under :data:`CANDIDATES` before
    their names.
    """
    x = torch.from_numpy(images)
    with torch.no_grad():
        outs = network(x)
        names = [out.name for out in network.outputs]
        found = dict(zip(names, outs, strict=True))
        if any(out.kind == OBJECTS for out in network.outputs):
            for name, values in network.candidates(x).items():
                found[CANDIDATES + name] = values
    return {name: values.numpy() for name, values in found.items()}


def differences(
    outputs: Sequence[Output],
    shape: tuple[int, ...],
    found: Outputs,
    wanted: Outputs,
    dtype: str,
) -> list[Difference]:
    """Compares all outputs of one input.

    Args:
        outputs (Sequence[Output]): What there is.
        shape (tuple[int, ...]): Of the input.
        found (Outputs): Of the file.
        wanted (Outputs): Of the model in float32.
        dtype (str): Of the weights of the file.
    """
    rows = []
    has_objects = any(out.kind == OBJECTS for out in outputs)
    for out in outputs:
        if out.kind == OBJECTS:
            continue
        a, b = found[out.name], wanted[out.name]
        if a.shape != b.shape:
            raise AssertionError(f'{out.name}: {a.shape} and not {b.shape}')
        if out.kind == VALUES:
            a, b = a.astype(np.float64), b.astype(np.float64)
            if has_objects:
                a, b = _from_the_least(a, b)
            largest = float(np.abs(a - b).max(initial=0))
            scale = float(np.abs(b).max(initial=0)) or 1.0
            rows.append(
                Difference(
                    shape,
                    out.name,
                    largest,
                    largest / scale,
                    TOLERANCES[dtype],
                )
            )
            continue
        if out.kind == LABELS:
            share = float((a != b).mean())
        else:
            share = _other_points(found, wanted)
        rows.append(Difference(shape, out.name, share, None, SHARES[dtype]))
    if has_objects:
        share = _other_objects(found, wanted)
        rows.append(Difference(shape, 'boxes', share, None, SHARES[dtype]))
    return rows


def _from_the_least(
    a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of objects, where none is as sure as the least sure of all.

    Whether one of them is just above the threshold the last bit decides.
    """
    both = np.concatenate([a[a > 0], b[b > 0]])
    least = both.min(initial=1.0)
    return np.maximum(a, least), np.maximum(b, least)


def _other_points(found: Outputs, wanted: Outputs) -> float:
    """Share of keypoints that are at another place, and not as good a one.

    Where heatmaps differ by the last bits, another place may be the largest:
    by no more than twice as much.
    """
    heatmaps = wanted['heatmaps'].astype(np.float64)
    moved = 2 * np.abs(found['heatmaps'] - heatmaps).max()
    points = found['keypoints'].astype(np.float64)
    away = np.linalg.norm(points - wanted['keypoints'], axis=-1) > NEAR
    columns, rows = _places(points, wanted['keypoints'], heatmaps)
    others = 0
    for one, joint in np.argwhere(away):
        row, column = rows[one, joint], columns[one, joint]
        near = heatmaps[
            one,
            joint,
            max(row - 1, 0) : max(row + 2, 0),
            max(column - 1, 0) : max(column + 2, 0),
        ]
        best = heatmaps[one, joint].max()
        others += bool(near.max(initial=-np.inf) < best - moved)
    return others / away.size


def _places(
    points: np.ndarray, wanted: np.ndarray, heatmaps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of points in heatmaps, of which ``wanted`` are known.

    A pixel of a heatmap is as large as those say: a crop need not be a
    multiple of it.
    """
    wide = heatmaps.shape[3]
    best = heatmaps.reshape(*heatmaps.shape[:2], -1).argmax(-1)
    found = []
    for axis, place in enumerate((best % wide, best // wide)):
        known = (place > 1) & (wanted[..., axis] > 0)
        sides = wanted[..., axis][known] / place[known]
        side = np.median(sides) if sides.size else 1.0
        found.append(np.rint(points[..., axis] / side).astype(int))
    return found[0], found[1]


def _other_objects(found: Outputs, wanted: Outputs) -> float:
    """Share of boxes, by their scores, that are none of the model's.

    Of its boxes also those count that it does not choose, where they are
    known: the last bit decides which of boxes that are as good as each other
    NMS keeps, and which are the best. Whether there are as many, and as sure,
    is for the scores.
    """
    kind = CANDIDATES if f'{CANDIDATES}labels' in wanted else ''
    total = missed = 0.0
    for index, labels in enumerate(found['labels']):
        boxes, scores, names = (
            wanted[kind + name][index]
            for name in ('boxes', 'scores', 'labels')
        )
        for box, score, label in zip(
            found['boxes'][index], found['scores'][index], labels, strict=True
        ):
            if label < 0:
                break
            same = (names == label) & (np.abs(scores - score) < SCORE)
            total += score
            if not (_overlaps(box, boxes[same]) > OVERLAP).any():
                missed += score
    return float(missed / total) if total else 0.0


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box and others."""
    first = np.maximum(box[:2], boxes[:, :2])
    last = np.minimum(box[2:], boxes[:, 2:])
    both = np.prod(np.clip(last - first, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return both / np.maximum(area + areas - both, 1e-9)
