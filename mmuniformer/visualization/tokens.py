"""Which tokens the blocks of a light model keep, drawn over the pixels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmuniformer.models.layers import HourglassBlock
from mmuniformer.visualization.picture_grid import Cell, Row, picture_grid

# What pixels fade to where their token is averaged with others, and how much.
_GREY, _FADED = 160, 0.85


@dataclass(frozen=True)
class KeptTokens:
    """What one block keeps.

    Attributes:
        stage: Its stage, from 1.
        block: Its place in the stage, from 1.
        mask: Of shape (*spatial), True for the tokens that it keeps.
    """

    stage: int
    block: int
    mask: np.ndarray

    @property
    def name(self) -> str:
        """The block in words."""
        return f'stage {self.stage}, block {self.block}'


@torch.no_grad()
def kept_tokens(backbone: nn.Module, x: Tensor) -> list[KeptTokens]:
    """Runs a light backbone and notes which tokens each block keeps.

    Args:
        backbone: A ``UniFormerLight`` or ``UniFormerLight3D``.
        x: One normalised sample (1, 3, H, W) or (1, 3, T, H, W).

    Returns:
        One entry for each hourglass block, in order.
    """
    noted = []
    with _noting(backbone, noted):
        backbone(x)
    return noted


@contextmanager
def _noting(backbone: nn.Module, noted: list[KeptTokens]) -> Iterator[None]:
    hooks = []
    for stage in range(1, 5):
        blocks = getattr(backbone, f'blocks{stage}', ())
        for number, block in enumerate(blocks, 1):
            if isinstance(block, HourglassBlock):
                note = partial(_note, place=(stage, number), noted=noted)
                hooks.append(block.register_forward_pre_hook(note))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _note(
    block: HourglassBlock,
    inputs: tuple,
    place: tuple[int, int],
    noted: list[KeptTokens],
) -> None:
    x, scores = inputs
    spatial = x.shape[2:]
    mask = torch.ones(spatial, dtype=torch.bool)
    kept = block.select(scores.importance)
    if kept is not None:
        mask = torch.zeros_like(mask).flatten()
        mask[kept[0].cpu()] = True
        mask = mask.unflatten(0, spatial)
    noted.append(KeptTokens(*place, mask.numpy()))


def fade(pictures: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fades pixels whose tokens are not kept.

    Args:
        pictures: RGB frames (T, H, W, 3), 0 to 255.
        mask: Of shape (t, h, w), t dividing T or one frame more.

    Returns:
        Frames like ``pictures``.
    """
    shape = pictures.shape[:3]
    index = [
        np.arange(size) * tokens // size
        for size, tokens in zip(shape, mask.shape, strict=True)
    ]
    kept = mask[np.ix_(*index)][..., None]
    faded = _FADED * _GREY + (1 - _FADED) * pictures
    return np.where(kept, pictures, faded.round()).astype(np.uint8)


def token_sheet(
    out: str | Path, pictures: np.ndarray, blocks: Sequence[KeptTokens]
) -> None:
    """Writes a PNG: the pictures, and what blocks keep of them.

    An image has its blocks side by side; a video has its frames side by
    side, and a row for each block.

    Args:
        out: File to write; its folder is made.
        pictures: One RGB image (1, H, W, 3), or frames (T, H, W, 3).
        blocks: Those to show.
    """
    shown = [('input', pictures)]
    for block in blocks:
        mask = block.mask if block.mask.ndim == 3 else block.mask[None]
        shown.append((block.name, fade(pictures, mask)))
    if len(pictures) == 1:
        rows = [Row([Cell(frames[0], name) for name, frames in shown])]
    else:
        rows = [Row([Cell(f) for f in frames], name) for name, frames in shown]
    picture_grid(out, rows)
