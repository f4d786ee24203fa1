"""Moving pictures and label maps alike."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

# Of a pixel (x, y) of the result, where it is taken from: a, b, c, d, e, f of
# (a x + b y + c, d x + e y + f).
Affine = tuple[float, float, float, float, float, float]


def shear_x(factor: float, width: int, height: int) -> Affine:
    """Columns by a share of the row."""
    return 1.0, factor, 0.0, 0.0, 1.0, 0.0


def shear_y(factor: float, width: int, height: int) -> Affine:
    """Rows by a share of the column."""
    return 1.0, 0.0, 0.0, factor, 1.0, 0.0


def translate_x(share: float, width: int, height: int) -> Affine:
    """Columns by a share of the width."""
    return 1.0, 0.0, share * width, 0.0, 1.0, 0.0


def translate_y(share: float, width: int, height: int) -> Affine:
    """Rows by a share of the height."""
    return 1.0, 0.0, 0.0, 0.0, 1.0, share * height


def rotate(degrees: float, width: int, height: int) -> Affine:
    """Counterclockwise around the middle, as Pillow rotates."""
    angle = -math.radians(degrees % 360)
    cos, sin = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return (
        cos,
        sin,
        x - cos * x - sin * y,
        -sin,
        cos,
        y + sin * x - cos * y,
    )


MOVES: dict[str, Callable[[float, int, int], Affine]] = {
    'ShearX': shear_x,
    'ShearY': shear_y,
    'TranslateX': translate_x,
    'TranslateY': translate_y,
    'Rotate': rotate,
}


def move_picture(
    picture: Image.Image,
    move: str,
    amount: float,
    resample: Image.Resampling,
    fill: tuple[int, ...],
) -> Image.Image:
    """Moves a picture.

    Args:
        picture (Image.Image): Any picture.
        move (str): A key of ``MOVES``.
        amount (float): How far.
        resample (Image.Resampling): Interpolation.
        fill (tuple[int, ...]): Colour of what was outside.
    """
    matrix = MOVES[move](amount, *picture.size)
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        resample=resample,
        fillcolor=fill,
    )


def move_label_map(
    label_map: np.ndarray, move: str, amount: float
) -> np.ndarray:
    """Moves a label map as the picture it is of, to the nearest place.

    What was outside has scores of 0, for the classes at the edge.

    Args:
        label_map (np.ndarray): Scores and classes (2, k, h, w).
        move (str): A key of ``MOVES``.
        amount (float): How far: shares of the map for shares of the picture.
    """
    height, width = label_map.shape[-2:]
    a, b, c, d, e, f = MOVES[move](amount, width, height)
    y, x = np.mgrid[:height, :width] + 0.5
    columns = np.floor(a * x + b * y + c).astype(int)
    rows = np.floor(d * x + e * y + f).astype(int)
    outside = (columns < 0) | (columns >= width)
    outside |= (rows < 0) | (rows >= height)
    moved = label_map[
        ..., rows.clip(0, height - 1), columns.clip(0, width - 1)
    ]
    moved[0][..., outside] = 0
    return moved
