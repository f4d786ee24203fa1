"""Scenes in motion: what a video shows over time, and no frame alone.

The picture's edges are joined, and after the largest size comes the smallest:
place, size and angle are then spread evenly at every moment of every motion,
so that a frame says nothing about its class.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from mmuniformer.datasets.shapes.figure import disc, sample_figure
from mmuniformer.datasets.shapes.sample import (
    contrasting_colour,
    sample_background,
    sample_lighting,
    shape_outline,
)
from mmuniformer.datasets.shapes.scene import CLASSES, Part, Scene, Thing

# Each class beside its opposite, which is the same video played backwards.
MOTIONS = (
    'left',
    'right',
    'up',
    'down',
    'grow',
    'shrink',
)

_SMALLEST, _LARGEST = 0.14, 0.45  # radius, in widths of the picture
# Per frame: widths of the picture, shares of the way from the smallest to the
# largest. Twice as much is still seen as what it is.
_SPEED = {'move': (0.025, 0.045), 'scale': (0.03, 0.045)}
_MOVES = {'left': (-1, 0), 'right': (1, 0), 'up': (0, -1), 'down': (0, 1)}
_SCALES = {'grow': 1, 'shrink': -1}


def sample_clip(
    rng: np.random.Generator, motion: str, size: int, frames: int
) -> list[Scene]:
    """Draws a moving figure or shape at random.

    Args:
        rng: Source of all choices.
        motion: One of `MOTIONS`.
        size: Width and height in pixels.
        frames: Number of scenes.
    """
    background, lighting = sample_background(rng, size), sample_lighting(rng)
    parts = _sample_parts(rng, background.colours)
    place, level = rng.random(2), rng.random()
    angle = rng.uniform(0, 2 * np.pi)
    speed = {kind: rng.uniform(*limits) for kind, limits in _SPEED.items()}
    move = speed['move'] * np.array(_MOVES.get(motion, (0, 0)))
    scale = speed['scale'] * _SCALES.get(motion, 0)
    scenes = []
    for time in range(frames):
        share = (level + scale * time) % 1
        radius = _SMALLEST * (_LARGEST / _SMALLEST) ** share
        shown = _place(
            parts,
            centre=(place + move * time) % 1 * size,
            radius=radius * size,
            angle=angle,
            size=size,
        )
        thing = Thing(label=1, parts=shown)
        scenes.append(Scene(size, background, lighting, (thing,)))
    return scenes


def _sample_parts(
    rng: np.random.Generator, backdrop: np.ndarray
) -> tuple[Part, ...]:
    """What moves, about the origin, at most 1 away from it."""
    colour = contrasting_colour(rng, backdrop)
    other = contrasting_colour(rng, np.vstack([backdrop, colour]))
    name = CLASSES[rng.integers(len(CLASSES))]
    if name == 'person':
        parts, _ = sample_figure(rng, np.zeros(2), 1.0, colour, other)
        reach = max(np.linalg.norm(p.polygon, axis=1).max() for p in parts)
        return tuple(
            replace(part, polygon=part.polygon / reach) for part in parts
        )
    outline = shape_outline(name, rng)
    spot = disc(np.array([0.5, 0.0]), 0.26)
    return Part(outline, colour), Part(spot, other)


def _place(
    parts: tuple[Part, ...],
    centre: np.ndarray,
    radius: float,
    angle: float,
    size: int,
) -> tuple[Part, ...]:
    """The parts in the picture; what crosses an edge enters opposite."""
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = radius * np.array([[cos, sin], [-sin, cos]])
    shown = []
    for shift in product((-size, 0, size), repeat=2):
        middle = centre + shift
        if (middle > -radius).all() and (middle < size + radius).all():
            shown += (
                replace(part, polygon=middle + part.polygon @ rotation)
                for part in parts
            )
    return tuple(shown)
