"""Layers of the hosts in a form that knows no size when it is traced."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ScaledUp(nn.Module):
    """``Upsample`` of mmseg, whose sizes are Python's integers.

    Args:
        layer (nn.Module): The layer.
        factor (int): How many times larger the map becomes.
    """

    def __init__(self, layer: nn.Module, factor: int) -> None:
        super().__init__()
        self.mode, self.align_corners = layer.mode, layer.align_corners
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Scales a map (B, C, H, W)."""
        height, width = x.shape[-2:]
        size = (height * self.factor, width * self.factor)
        return F.interpolate(
            x, size, mode=self.mode, align_corners=self.align_corners
        )


class PooledTo(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two products of matrices.

    Exporters know the cells of this layer only where the size is known.

    Args:
        size (int or tuple[int, int]): Height and width of its output.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def forward(self, x: Tensor) -> Tensor:
        """Pools a map (B, C, H, W)."""
        height, width = x.shape[-2:]
        rows = _cells(self.size[0], height, x)
        columns = _cells(self.size[1], width, x)
        return rows @ x @ columns.transpose(0, 1)


def _cells(number: int, total: int, x: Tensor) -> Tensor:
    """Weights (number, total) of positions in overlapping cells."""
    cell = torch.arange(number, device=x.device).unsqueeze(1)
    first = cell * total // number
    last = ((cell + 1) * total + number - 1) // number
    place = torch.arange(total, device=x.device).unsqueeze(0)
    inside = (place >= first) & (place < last)
    return inside.to(x.dtype) / (last - first).to(x.dtype)


def make_traceable(net: nn.Module) -> None:
    """Replaces layers of a model that are traced for one size alone.

    Args:
        net (nn.Module): A model of any host library; changed in place.
    """
    for name, layer in list(net.named_modules()):
        # A config may have its backbone compiled: once for each size here.
        layer._compiled_call_impl = None
        other = _other_form(layer)
        if other is not None:
            parent, _, own = name.rpartition('.')
            setattr(net.get_submodule(parent), own, other)


@contextmanager
def unasked_sizes() -> Iterator[None]:
    """Has ``resize`` of mmseg and mmpose ask no size for a warning's sake.

    With ``align_corners`` it does, and the answer would be for one size.
    """
    names = ('mmseg.models.utils.wrappers', 'mmpose.models.utils.ops')
    loaded = [sys.modules[name] for name in names if name in sys.modules]
    functions = [module.resize for module in loaded]
    before = [function.__defaults__ for function in functions]
    for function in functions:
        # `warning` is its last argument.
        function.__defaults__ = (*function.__defaults__[:-1], False)
    try:
        yield
    finally:
        for function, defaults in zip(functions, before, strict=True):
            function.__defaults__ = defaults


def _other_form(layer: nn.Module) -> nn.Module | None:
    kind = type(layer)
    if kind.__name__ == 'Upsample' and kind.__module__.startswith('mmseg.'):
        # It takes one factor, or one for each side.
        factor = layer.scale_factor
        sides = set(factor) if isinstance(factor, tuple) else {factor}
        whole = len(sides) == 1 and float(min(sides)).is_integer()
        if layer.size is None and whole:
            return ScaledUp(layer, int(min(sides)))
    if kind is nn.AdaptiveAvgPool2d:
        size = layer.output_size
        size = size if isinstance(size, tuple) else (size, size)
        if size != (1, 1) and None not in size:
            return PooledTo(size)
    return None
