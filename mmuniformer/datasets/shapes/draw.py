"""From a scene to pixels: the image and who owns each pixel."""

import cv2
import numpy as np

from mmuniformer.datasets.shapes.scene import Background, Part, Scene, Texture

# Vertices go to OpenCV as fixed-point numbers with this many binary digits.
_SHIFT = 4


def coverage(polygon: np.ndarray, size: int) -> np.ndarray:
    """Share of each pixel that a filled polygon covers.

    Args:
        polygon: (N, 2) vertices; they may lie outside the picture.
        size: Width and height of the picture.

    Returns:
        (size, size) float32 in [0, 1], edges antialiased.
    """
    canvas = np.zeros((size, size), np.uint8)
    # OpenCV counts from pixel centres, scenes from the picture's corner.
    vertices = np.round((polygon - 0.5) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(canvas, [vertices], 255, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) / 255


def mask_of(parts: tuple[Part, ...], size: int) -> np.ndarray:
    """Pixels of which the parts cover at least half, (size, size) bool."""
    mask = np.zeros((size, size), bool)
    for part in parts:
        mask |= coverage(part.polygon, size) >= 0.5
    return mask


def owner_map(scene: Scene) -> np.ndarray:
    """Who is in front at each pixel.

    Returns:
        (size, size) int32: 0 for the background, ``i + 1`` for thing ``i``.
    """
    owner = np.zeros((scene.size, scene.size), np.int32)
    for number, thing in enumerate(scene.things, 1):
        owner[mask_of(thing.parts, scene.size)] = number
    return owner


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres, x and y, each (size, size)."""
    centres = np.arange(size, dtype=np.float32) + 0.5
    return np.meshgrid(centres, centres)


def _pattern(texture: Texture, size: int) -> np.ndarray:
    x, y = _grid(size)
    cos, sin = np.cos(texture.angle), np.sin(texture.angle)
    wave = np.sin(2 * np.pi / texture.period * (cos * x + sin * y))
    if texture.checked:
        wave *= np.sin(2 * np.pi / texture.period * (cos * y - sin * x))
    return texture.depth * wave


def _paint(image: np.ndarray, part: Part) -> None:
    """Lays a part over ``image``, in place."""
    size = len(image)
    low = np.clip(np.floor(part.polygon.min(0)).astype(int) - 1, 0, size)
    high = np.clip(np.ceil(part.polygon.max(0)).astype(int) + 1, 0, size)
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    colour = part.colour.astype(np.float32)
    if part.texture.depth:
        colour = colour + _pattern(part.texture, size)[window][..., None]
    alpha = coverage(part.polygon, size)[window][..., None]
    image[window] += alpha * (colour - image[window])


def paint_background(background: Background, size: int) -> np.ndarray:
    """Paints what is behind the things, (size, size, 3) float32."""
    x, y = _grid(size)
    ramp = background.ramp[0] * x + background.ramp[1] * y
    clouds = cv2.resize(
        background.clouds.astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_CUBIC,
    )
    mixture = np.clip(0.5 + (ramp / size - background.ramp.sum() / 2), 0, 1)
    mixture = np.clip(mixture + 0.35 * clouds, 0, 1)[..., None]
    first, second = background.colours.astype(np.float32)
    image = first + mixture * (second - first)
    image += _pattern(background.texture, size)[..., None]
    for stroke in background.strokes:
        _paint(image, stroke)
    return image.astype(np.float32)


def _cast_shadow(image: np.ndarray, thing, direction, opacity: float) -> None:
    size = len(image)
    outline = np.zeros((size, size), np.float32)
    shift = -direction / (np.linalg.norm(direction) + 1e-6) * 0.02 * size
    for part in thing.parts:
        np.maximum(outline, coverage(part.polygon + shift, size), out=outline)
    outline = cv2.GaussianBlur(outline, (0, 0), 0.012 * size)
    image *= 1 - opacity * outline[..., None]


def render(
    scene: Scene,
    rng: np.random.Generator,
    backdrop: np.ndarray | None = None,
) -> np.ndarray:
    """Paints a scene.

    Args:
        scene: What to paint.
        rng: Source of the sensor noise.
        backdrop: The scene's :func:`paint_background`, if it is there.

    Returns:
        (size, size, 3) uint8, RGB.
    """
    size, lighting = scene.size, scene.lighting
    if backdrop is None:
        backdrop = paint_background(scene.background, size)
    image = backdrop.copy()
    for thing in scene.things:
        _cast_shadow(image, thing, lighting.direction, lighting.shadow)
        for part in thing.parts:
            _paint(image, part)
    x, y = _grid(size)
    falloff = lighting.direction[0] * x + lighting.direction[1] * y
    falloff = falloff / size - lighting.direction.sum() / 2
    image *= (1 + falloff)[..., None] * lighting.tint.astype(np.float32)
    if lighting.blur:
        image = cv2.GaussianBlur(image, (0, 0), lighting.blur)
    image += rng.normal(0, lighting.noise, image.shape).astype(np.float32)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
