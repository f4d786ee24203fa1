"""MixToken: CutMix of the tokens of a batch (token labeling)."""

import numpy as np
import torch
from torch import Tensor

from mmuniformer.models.blending import interval


# NumPy draws: a compiled graph would draw once, and keep that.
@torch.compiler.disable
def draw_box(height: int, width: int) -> Tensor:
    """Draws the box of a batch, whose share is 1 less a uniform number.

    Args:
        height (int): Rows of the map that is mixed.
        width (int): Its columns.

    Returns:
        Tensor: Its first row and column, and those after its last, as
        integers (4,).
    """
    ratio = np.sqrt(1 - np.random.beta(1.0, 1.0))
    rows, columns = (interval(size, ratio) for size in (height, width))
    return torch.tensor([rows.start, columns.start, rows.stop, columns.stop])


def mix_box(x: Tensor, box: Tensor) -> Tensor:
    """Gives each map what the one at the other end of the batch has in a box.

    Twice is nothing.

    Args:
        x (Tensor): Maps (B, C, H, W).
        box (Tensor): As of :func:`draw_box`.
    """
    rows, columns = (
        torch.arange(size, device=x.device) for size in x.shape[-2:]
    )
    top, left, bottom, right = box
    inside = ((rows >= top) & (rows < bottom))[:, None] & (
        (columns >= left) & (columns < right)
    )
    return torch.where(inside, x.flip(0), x)
