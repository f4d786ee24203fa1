"""Where the places of a map lie in the pixels of what it was made from."""

import math

import numpy as np


def step_of(pixels: int, places: int) -> float:
    """The side of a place in pixels.

    Patches are whole: a map of 21 places of 32 pixels was made from any 672 to
    703, and what is left over is at the right and at the bottom. The places of
    other maps are spread over all pixels.

    Args:
        pixels (int): Height or width of the input.
        places (int): That of the map.
    """
    step = 2 ** math.floor(math.log2(pixels / places))
    return step if pixels // step == places else pixels / places


def in_pixels(
    values: np.ndarray, pixels: tuple[int, int], smooth: bool
) -> np.ndarray:
    """A map in the pixels of what it was made from.

    Args:
        values (np.ndarray): (h, w) numbers.
        pixels (tuple[int, int]): Height and width of the input.
        smooth (bool): Whether there are values between those of places,
            which are in their middles; pixels that are left over have the
            values beside them. Otherwise each place has one, and these
            pixels 0.

    Returns:
        np.ndarray: float32, as high and wide as the input.
    """
    values = values.astype(np.float32)
    for axis, size in enumerate(pixels):
        number = values.shape[axis]
        places = (np.arange(size) + 0.5) / step_of(size, number)
        if not smooth:
            whole = np.append(
                values, np.zeros_like(values.take([0], axis)), axis
            )
            values = whole.take(places.astype(int).clip(max=number), axis)
            continue
        places = (places - 0.5).clip(0, number - 1)
        before = places.astype(int)
        after = np.minimum(before + 1, number - 1)
        share = (places - before).astype(np.float32)
        share = share[:, None] if axis == 0 else share
        values = (1 - share) * values.take(before, axis) + share * values.take(
            after, axis
        )
    return values
