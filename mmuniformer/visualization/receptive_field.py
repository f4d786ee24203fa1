"""The effective receptive field: which pixels a token depends on, how much.

`Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks <https://arxiv.org/abs/1701.04128>`_: the gradient of the token in the
middle back to the input, of one for each of its channels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmuniformer.models.layers import CONVS

# Powers of ten that a picture shows below the largest value.
DECADES = 4


@dataclass(frozen=True, eq=False)
class Field:
    """What the middle token of a stage depends on.

    Attributes:
        values (np.ndarray): (T, H, W), not negative: the absolute gradient to
            a pixel, its channels added up; T is 1 for an image.
        centre (tuple[int, int]): Row and column of the pixel in the middle of
            what the embeddings make the token from.
    """

    values: np.ndarray
    centre: tuple[int, int]


def receptive_fields(backbone: nn.Module, x: Tensor) -> dict[int, Field]:
    """Fields of all stages of a backbone for one input.

    The maps are those before the norms of the outputs: what LayerNorm gives
    out has channels that always sum to the same.

    Args:
        backbone (nn.Module): Of this package, in eval mode.
        x (Tensor): An image (1, C, H, W) or a clip (1, C, T, H, W).

    Returns:
        dict[int, Field]: By stages, from 1.
    """
    maps: dict[int, Tensor] = {}
    handles = [
        getattr(backbone, f'blocks{stage}')[-1].register_forward_hook(
            partial(_keep, maps, stage)
        )
        for stage in range(1, 1 + backbone.num_stages)
    ]
    x = x.detach().requires_grad_()
    try:
        with torch.enable_grad():
            backbone(x)
    finally:
        for handle in handles:
            handle.remove()
    return {
        stage: _field(one, x, partial(_centre, backbone, stage))
        for stage, one in sorted(maps.items())
    }


def _keep(
    maps: dict[int, Tensor], stage: int, _: nn.Module, __: tuple, out: Any
) -> None:
    # A block of a light model gives out its scores, too.
    maps[stage] = out if isinstance(out, Tensor) else out[0]


def _field(one: Tensor, x: Tensor, centre: Callable[[int], int]) -> Field:
    middle = [size // 2 for size in one.shape[2:]]
    token = one[(slice(None), slice(None), *middle)].sum()
    (gradient,) = torch.autograd.grad(token, x, retain_graph=True)
    values = gradient.abs().sum((0, 1)).double().cpu().numpy()
    values = values.reshape(-1, *values.shape[-2:])
    y, x_ = map(centre, middle[-2:])
    return Field(values, (y, x_))


def _centre(backbone: nn.Module, stage: int, place: int) -> int:
    """The pixel (or the one after) in the middle of a place's own ones.

    Patches have theirs in their middle. Convolutions that overlap, of models
    with a convolutional stem, have it where their first place is the first
    pixel.
    """
    middle = place + 0.5
    for number in range(stage, 0, -1):
        embed = getattr(backbone, f'patch_embed{number}')
        kinds = tuple(CONVS.values())
        convs = [m for m in embed.modules() if isinstance(m, kinds)]
        for conv in reversed(convs):
            step, kernel, pad = (
                of[-1] for of in (conv.stride, conv.kernel_size, conv.padding)
            )
            middle = (middle - 0.5) * step + kernel / 2 - pad
    return int(middle)


def reach(field: Field) -> int:
    """Pixels around the centre that all photos of this size have.

    Where there is none, as in a photo that is one token wide, those that it
    has at one side.
    """
    sides = [
        (place, size - place)
        for place, size in zip(
            field.centre, field.values.shape[-2:], strict=True
        )
    ]
    return min(map(min, sides)) or min(map(max, sides))


def cut(field: Field, radius: int) -> np.ndarray:
    """The square (T, 2 radius, 2 radius) around the centre; 0 outside."""
    (y, x), values = field.centre, field.values
    square = np.zeros((len(values), 2 * radius, 2 * radius))
    inside = values[
        :, max(0, y - radius) : y + radius, max(0, x - radius) : x + radius
    ]
    top, left = max(0, radius - y), max(0, radius - x)
    height, width = inside.shape[1:]
    square[:, top : top + height, left : left + width] = inside
    return square


def side_of_share(square: np.ndarray, share: float) -> int:
    """The side of the square around the middle that has a share of all.

    Args:
        square (np.ndarray): (T, n, n) of all frames.
        share (float): From 0 to 1.

    Returns:
        int: An even number of pixels; 0 of a field that is 0.
    """
    total = square.sum()
    middle = square.shape[-1] // 2
    if not total > 0:
        return 0
    for radius in range(1, middle + 1):
        part = np.s_[middle - radius : middle + radius]
        if square[:, part, part].sum() >= share * total:
            return 2 * radius
    return 2 * middle


def decades(square: np.ndarray) -> np.ndarray:
    """On a logarithmic scale: 1 is the largest value, 0 a 10000th of it."""
    largest = square.max()
    if not largest > 0:
        return np.zeros_like(square)
    smallest = largest * 10.0**-DECADES
    logarithm = np.log10(np.maximum(square, smallest) / largest)
    return 1 + logarithm / DECADES
