"""What a backbone hands to a neck or a head that may not read all of it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from mmuniformer.models.layers.recording import is_exported


class _Together(torch.autograd.Function):
    """Copies of maps, in ordinary memory, that are one step to autograd.

    Autograd gives zeros to those outputs of a step that have no gradient.
    Copies and not views: what a custom step gives out as a view nobody may
    write over, and some heads begin with an activation in place.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(*maps: Tensor) -> tuple[Tensor, ...]:
        return tuple(_ordinary_copy(x) for x in maps)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: tuple) -> None:
        pass

    @staticmethod
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor, ...]:
        return grads


def _ordinary_copy(x: Tensor) -> Tensor:
    return x.clone(memory_format=torch.contiguous_format)


def hand_out(maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Maps in ordinary memory, all of which get a gradient if any does.

    Where a neck or a head leaves maps out, the gradients of what makes only
    these are zeros instead of None. With None several processes that train
    one model wait for them, and stop.

    mmcv's compiled ops (RoIAlign and others) do not look at strides: they
    would misread a map in channels-last memory.

    Args:
        maps (Sequence[Tensor]): Maps of shape (B, C, *spatial).

    Returns:
        tuple[Tensor, ...]: The same values.
    """
    alone = len(maps) == 1 or not torch.is_grad_enabled()
    if alone or is_exported():
        return tuple(x.contiguous() for x in maps)
    return _Together.apply(*maps)
