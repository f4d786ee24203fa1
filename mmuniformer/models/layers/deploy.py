"""Folding layers without a nonlinearity between them into one.

All work on the weights in place, in float64, and are exact for layers in eval
mode. What was folded is then replaced by ``nn.Identity``, so that the names
of the other parameters stay.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def fold_into_next(norm: _BatchNorm, layer: nn.Module) -> nn.Identity:
    """Changes ``layer(norm(x))`` into ``layer(x)``.

    Args:
        norm (_BatchNorm): BatchNorm before the layer.
        layer (nn.Module): Pointwise convolution: one that pads, pads after
            the norm.

    Returns:
        nn.Identity: What replaces the norm.
    """
    scale, shift = _affine(norm)
    weight = layer.weight.double()
    _add_bias(layer, weight.flatten(1) @ shift)
    scale = scale.reshape(-1, *(1,) * (weight.dim() - 2))
    layer.weight.copy_(weight * scale)
    return nn.Identity()


@torch.no_grad()
def fold_into_previous(layer: nn.Module, norm: _BatchNorm) -> nn.Identity:
    """Changes ``norm(layer(x))`` into ``layer(x)``.

    Args:
        layer (nn.Module): Any convolution.
        norm (_BatchNorm): BatchNorm after it.

    Returns:
        nn.Identity: What replaces the norm.
    """
    scale, shift = _affine(norm)
    fold_scale(layer, scale)
    _add_bias(layer, shift)
    return nn.Identity()


@torch.no_grad()
def fold_scale(layer: nn.Module, scale: Tensor) -> None:
    """Multiplies what a layer gives out, by channel.

    Args:
        layer (nn.Module): A convolution or linear layer.
        scale (Tensor): A factor for each of its output channels.
    """
    weight, scale = layer.weight.double(), scale.double().flatten()
    layer.weight.copy_(weight * scale.reshape(-1, *(1,) * (weight.dim() - 1)))
    if layer.bias is not None:
        layer.bias.copy_(layer.bias.double() * scale)


@torch.no_grad()
def fold_residual(conv: nn.Module) -> None:
    """Changes ``x + conv(x)`` into ``conv(x)``.

    Args:
        conv (nn.Module): Depthwise convolution that keeps the map's size.
    """
    weight = conv.weight.to(torch.float64, copy=True)
    centre = [size // 2 for size in conv.kernel_size]
    weight[(slice(None), 0, *centre)] += 1
    conv.weight.copy_(weight)


def fold_sequence(layers: nn.Sequential) -> None:
    """Folds each BatchNorm into the convolution right before it.

    Args:
        layers (nn.Sequential): Changed in place.
    """
    for i, layer in enumerate(layers):
        if isinstance(layer, _BatchNorm):
            layers[i] = fold_into_previous(layers[i - 1], layer)


def _affine(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Scale and shift that a BatchNorm is in eval mode."""
    deviation = (norm.running_var.double() + norm.eps).sqrt()
    scale = norm.weight.double() / deviation
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def _add_bias(layer: nn.Module, shift: Tensor) -> None:
    if layer.bias is None:
        layer.bias = nn.Parameter(
            layer.weight.new_zeros(shift.shape),
            requires_grad=layer.weight.requires_grad,
        )
    layer.bias.copy_(layer.bias.double() + shift)
