"""What a scene is made of. Lengths are pixels, colours RGB in [0, 1]."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# The label of a class in every format is its place in this list plus one: 0
# is the background of the semantic maps.
CLASSES = ('person', 'circle', 'square', 'triangle', 'star', 'cross')


class Texture(NamedTuple):
    """A periodic brightness pattern: ``depth * sin(x)``, or ``sin(x)sin(y)``.

    Attributes:
        depth: Amplitude, 0 for none.
        period: Length of a wave.
        angle: Direction of the wave in radians.
        checked: Whether a second wave crosses the first.
    """

    depth: float = 0.0
    period: float = 8.0
    angle: float = 0.0
    checked: bool = False


PLAIN = Texture()


@dataclass(frozen=True)
class Part:
    """A filled polygon, (N, 2) vertices x, y, in one colour."""

    polygon: np.ndarray
    colour: np.ndarray
    texture: Texture = PLAIN


@dataclass(frozen=True)
class Thing:
    """An instance: its parts, the last in front.

    Attributes:
        label: Class label, 1 to ``len(CLASSES)``.
        parts: What is painted.
        keypoints: None, or (17, 3) x, y and whether the point shows when
            nothing is in front of the figure, in the order of COCO.
    """

    label: int
    parts: tuple[Part, ...]
    keypoints: np.ndarray | None = None


@dataclass(frozen=True)
class Background:
    """Two colours mixed by a ramp, clouds and a texture, and loose strokes.

    Attributes:
        colours: (2, 3), the ends of the mixture.
        ramp: (2,) direction of the ramp times its strength.
        clouds: (K, K) coarse grid in [-1, 1], enlarged to the image.
        texture: Pattern over the whole picture.
        strokes: Thin distractors that belong to no class.
    """

    colours: np.ndarray
    ramp: np.ndarray
    clouds: np.ndarray
    texture: Texture
    strokes: tuple[Part, ...]


@dataclass(frozen=True)
class Lighting:
    """How the scene is lit and recorded.

    Attributes:
        direction: (2,) towards the light times the strength of the falloff.
        tint: (3,) gain per channel.
        shadow: Opacity of the shadow that a thing casts.
        blur: Standard deviation of the lens blur, in pixels.
        noise: Standard deviation of the sensor noise.
    """

    direction: np.ndarray
    tint: np.ndarray
    shadow: float
    blur: float
    noise: float


@dataclass(frozen=True)
class Scene:
    """A square picture of ``size`` pixels; the last thing is in front."""

    size: int
    background: Background
    lighting: Lighting
    things: tuple[Thing, ...]
