"""Drawing scenes at random, such that every instance can be recognised."""

from dataclasses import replace

import cv2
import numpy as np

from mmuniformer.datasets.shapes.draw import mask_of
from mmuniformer.datasets.shapes.figure import capsule, disc, sample_figure
from mmuniformer.datasets.shapes.scene import (
    CLASSES,
    Background,
    Lighting,
    Part,
    Scene,
    Texture,
    Thing,
)

# A thing is kept if this share of it lies in the picture and shows: of many,
# and of one alone.
_MIN_VISIBLE = 0.5
_MIN_VISIBLE_ALONE = 0.9
_MIN_PIXELS = 60
# No loose crumbs: each piece of a visible mask has at least these pixels.
_MIN_PIECE = 12
_ATTEMPTS = 12
# Radius of a shape in half widths of the picture, and height of a figure in
# widths: of many things, and of one alone.
_MANY = {'radius': (0.17, 0.48), 'height': (0.4, 0.8)}
_ALONE = {'radius': (0.5, 0.85), 'height': (0.6, 0.95)}


def _colour(rng: np.random.Generator) -> np.ndarray:
    hue, saturation, value = rng.uniform([0, 0.35, 0.4], [360, 1, 1])
    hsv = np.array([[[hue, saturation, value]]], np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0]


def contrasting_colour(
    rng: np.random.Generator, others: np.ndarray, distance: float = 0.5
) -> np.ndarray:
    """A colour far from ``others`` (N, 3), or the farthest of several."""
    candidates = np.stack([_colour(rng) for _ in range(8)])
    gap = np.linalg.norm(candidates[:, None] - others[None], axis=-1).min(1)
    far = np.flatnonzero(gap >= distance)
    return candidates[far[0] if len(far) else gap.argmax()]


def _texture(rng: np.random.Generator, depth: float, size: int) -> Texture:
    return Texture(
        depth=rng.uniform(0, depth),
        period=rng.uniform(0.03, 0.12) * size,
        angle=rng.uniform(0, np.pi),
        checked=bool(rng.random() < 0.5),
    )


def sample_background(rng: np.random.Generator, size: int) -> Background:
    first = _colour(rng)
    # Two shades of a related colour: a loud background would hide things.
    second = np.clip(first + rng.normal(0, 0.15, 3), 0, 1)
    colours = np.stack([first, second]) * rng.uniform(0.35, 1)
    strokes = []
    for _ in range(rng.integers(0, 5)):
        start = rng.uniform(0, size, 2)
        end = start + rng.normal(0, 0.25 * size, 2)
        line = capsule(start, end, rng.uniform(0.003, 0.007) * size)
        strokes.append(Part(line, _colour(rng)))
    angle = rng.uniform(0, 2 * np.pi)
    return Background(
        colours=colours,
        ramp=rng.uniform(0, 1.5) * np.array([np.cos(angle), np.sin(angle)]),
        clouds=rng.uniform(-1, 1, (rng.integers(3, 9),) * 2),
        texture=_texture(rng, 0.08, size),
        strokes=tuple(strokes),
    )


def sample_lighting(rng: np.random.Generator) -> Lighting:
    angle = rng.uniform(0, 2 * np.pi)
    return Lighting(
        direction=rng.uniform(0.05, 0.5)
        * np.array([np.cos(angle), np.sin(angle)]),
        tint=rng.uniform(0.75, 1.1) * rng.uniform(0.92, 1.08, 3),
        shadow=rng.uniform(0.1, 0.5),
        blur=rng.uniform(0.3, 0.8),
        noise=rng.uniform(0.005, 0.025),
    )


def shape_outline(name: str, rng: np.random.Generator) -> np.ndarray:
    """Vertices of a shape around the origin, at most 1 away from it."""
    if name == 'circle':
        return disc(np.zeros(2), 1.0, steps=48)
    if name == 'star':
        points = disc(np.zeros(2), 1.0, steps=10)
        points[1::2] *= rng.uniform(0.38, 0.5)
        return points
    if name == 'cross':
        arm = rng.uniform(0.26, 0.36)
        corner = np.array([[1, -arm], [1, arm], [arm, arm]])
        turns = [np.eye(2), [[0, 1], [-1, 0]], -np.eye(2), [[0, -1], [1, 0]]]
        points = np.concatenate([corner @ np.array(turn) for turn in turns])
        return points / np.hypot(1, arm)
    if name == 'square':
        return np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / np.sqrt(2)
    return disc(np.zeros(2), 1.0, steps=3)


def _shape(
    rng: np.random.Generator,
    size: int,
    backdrop: np.ndarray,
    label: int,
    radius: tuple[float, float],
) -> Thing:
    # Log-uniform: as many small as large ones.
    length = 0.5 * size * np.exp(rng.uniform(*np.log(radius)))
    # Upright, more or less: at any angle, corners alone tell a square from a
    # circle, which is more than a small model learns in minutes.
    turn = rng.uniform(-0.4, 0.4) - np.pi / 2
    rotation = np.array(
        [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    stretch = np.array([1.0, rng.uniform(0.85, 1.0)])
    polygon = shape_outline(CLASSES[label - 1], rng) * stretch @ rotation.T
    part = Part(
        polygon=rng.uniform(0, size, 2) + length * polygon,
        colour=contrasting_colour(rng, backdrop),
        texture=_texture(rng, 0.1, size),
    )
    return Thing(label=label, parts=(part,))


def _any_shape(
    rng: np.random.Generator, size: int, backdrop: np.ndarray
) -> Thing:
    label = int(rng.integers(2, len(CLASSES) + 1))
    return _shape(rng, size, backdrop, label, _MANY['radius'])


def _person(
    rng: np.random.Generator,
    size: int,
    backdrop: np.ndarray,
    height: tuple[float, float] = _MANY['height'],
) -> Thing:
    shirt = contrasting_colour(rng, backdrop)
    parts, keypoints = sample_figure(
        rng,
        centre=rng.uniform(0.1, 0.9, 2) * size,
        height=rng.uniform(*height) * size,
        shirt=shirt,
        trousers=contrasting_colour(rng, np.vstack([backdrop, shirt]), 0.3),
    )
    return Thing(label=1, parts=parts, keypoints=keypoints)


def _can_be_outlined(mask: np.ndarray) -> bool:
    """Whether polygons can say what the mask is: no holes, no crumbs."""
    _, hierarchy = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    if any(parent >= 0 for parent in hierarchy[0][:, 3]):
        return False
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return bool((stats[1:, cv2.CC_STAT_AREA] >= _MIN_PIECE).all())


def _whole_area(thing: Thing, size: int) -> int:
    """Pixels of a thing, those beyond the picture included."""
    margin = size // 2
    moved = tuple(
        replace(part, polygon=part.polygon + margin) for part in thing.parts
    )
    return int(mask_of(moved, 2 * size).sum())


class _Layout:
    """The things placed so far; takes the next only if all stay in sight."""

    def __init__(self, size: int, visible: float = _MIN_VISIBLE):
        self._visible = visible
        self.things: list[Thing] = []
        self._wholes: list[int] = []
        self._owner = np.zeros((size, size), np.int32)

    def add(self, thing: Thing) -> bool:
        """Puts a thing in front of the others if it fits."""
        size = len(self._owner)
        owner = self._owner.copy()
        owner[mask_of(thing.parts, size)] = len(self.things) + 1
        wholes = [*self._wholes, _whole_area(thing, size)]
        for number, whole in enumerate(wholes, 1):
            mask = owner == number
            if mask.sum() < max(_MIN_PIXELS, self._visible * whole):
                return False
            if not _can_be_outlined(mask):
                return False
        self.things.append(thing)
        self._owner, self._wholes = owner, wholes
        return True


def sample_scene(rng: np.random.Generator, size: int) -> Scene:
    """Draws a scene at random.

    Things may hide parts of each other or leave the picture, but at least
    half of each shows, in pieces without holes, so that the polygons of its
    annotation mean the same pixels as its mask.

    Args:
        rng: Source of all choices.
        size: Width and height in pixels.

    Returns:
        A scene with at least one thing.
    """
    background = sample_background(rng, size)
    makers = [_person] * rng.choice(3, p=[0.35, 0.5, 0.15])
    makers += [_any_shape] * rng.integers(2, 6)
    rng.shuffle(makers)
    layout = _Layout(size)
    while not layout.things:
        for make in makers:
            for _ in range(_ATTEMPTS):
                if layout.add(make(rng, size, background.colours)):
                    break
    return Scene(size, background, sample_lighting(rng), tuple(layout.things))


def sample_portrait(rng: np.random.Generator, label: int, size: int) -> Scene:
    """Draws a scene with one thing at random, most of it in sight.

    Args:
        rng: Source of all choices.
        label: Class of the thing, 1 to ``len(CLASSES)``.
        size: Width and height in pixels.
    """
    background = sample_background(rng, size)
    layout = _Layout(size, _MIN_VISIBLE_ALONE)
    while not layout.things:
        if label == 1:
            thing = _person(rng, size, background.colours, _ALONE['height'])
        else:
            thing = _shape(
                rng, size, background.colours, label, _ALONE['radius']
            )
        layout.add(thing)
    return Scene(size, background, sample_lighting(rng), tuple(layout.things))
