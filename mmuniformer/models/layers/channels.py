"""Layers over dimension 1 of a map, and the classes of each ``ndim``.

Every layer of this package takes and returns maps ``(B, C, *spatial)``, with
``spatial`` being ``(H, W)`` for images and ``(T, H, W)`` for video. In the
channels-last memory format such a map and its tokens ``(B, *spatial, C)`` are
the same memory, so the moves of dimension 1 below are views, not copies.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.models.layers.recording import is_recorded

CONVS = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}


def channels_to_end(x: Tensor) -> Tensor:
    """Maps (B, C, *spatial) as (B, *spatial, C), in the same memory."""
    # Not -1: one of the exporters to ONNX writes that down as it is.
    return x.movedim(1, x.dim() - 1)


def channels_to_front(x: Tensor) -> Tensor:
    """Undoes :func:`channels_to_end`."""
    return x.movedim(x.dim() - 1, 1)


def as_tokens(x: Tensor) -> Tensor:
    """Maps (B, C, *spatial) as tokens (B, N, C), in the same memory."""
    # Channels first to the end: flattened before, a map of one column would
    # be another graph to an exporter.
    return channels_to_end(x).flatten(1, -2)


class PointwiseConv3d(nn.Conv3d):
    """``nn.Conv3d`` with a kernel of one position, as a matrix product.

    In channels-last memory it is one, and libraries have faster products than
    three-dimensional convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.flatten(1)
        x = F.linear(channels_to_end(x), weight, self.bias)
        return channels_to_front(x)


class FrameConv3d(nn.Conv3d):
    """``nn.Conv3d`` with a kernel of one frame, as ``nn.Conv2d`` of each.

    In channels-last memory frames are images of a larger batch, and libraries
    have faster convolutions of images.
    """

    def forward(self, x: Tensor) -> Tensor:
        batch, frames = x.shape[0], x.shape[2]
        images = F.conv2d(
            x.transpose(1, 2).flatten(0, 1),
            self.weight.squeeze(2),
            self.bias,
            self.stride[1:],
            self.padding[1:],
            self.dilation[1:],
            self.groups,
        )
        return images.unflatten(0, (batch, frames)).transpose(1, 2)


def conv_of(kernel_size: Sequence[int]) -> type[nn.Module]:
    """The class of convolution for a kernel that steps by one frame.

    Args:
        kernel_size (Sequence[int]): As many as the map has dimensions.
    """
    if len(kernel_size) == 3 and kernel_size[0] == 1:
        return FrameConv3d
    return CONVS[len(kernel_size)]


# Convolutions whose kernels have one position.
POINTWISE_CONVS = {2: nn.Conv2d, 3: PointwiseConv3d}


class ChannelLayerNorm(nn.LayerNorm):
    """``nn.LayerNorm`` over the channels of a map, at each position."""

    def forward(self, x: Tensor) -> Tensor:
        return channels_to_front(super().forward(channels_to_end(x)))


def activate(act: nn.GELU, x: Tensor, *before: nn.Module) -> Tensor:
    """Applies a GELU, over its input where nobody else looks at that.

    The hidden map of an FFN is the largest there is: without a second one
    of its size inference takes less memory, and less time to get it.

    Args:
        act (nn.GELU): The activation.
        x (Tensor): What the layers before have made, and nobody keeps.
        before (nn.Module): These layers: their hooks may keep what they see.

    Returns:
        Tensor: Of the shape of ``x``.
    """
    # A graph that is recorded has to be the same with and without gradients.
    if torch.is_grad_enabled() or is_recorded() or has_hooks(act, *before):
        return act(x)
    return torch.ops.aten.gelu_(x)


def has_hooks(*layers: nn.Module) -> bool:
    """Whether anybody looks at what layers take and give out."""
    if _has_global_hooks():
        return True
    return any(m._forward_hooks or m._forward_pre_hooks for m in layers)


def _has_global_hooks() -> bool:
    module = torch.nn.modules.module
    return bool(
        module._global_forward_hooks or module._global_forward_pre_hooks
    )


class Layers(nn.Sequential):
    """``nn.Sequential`` whose GELUs are applied by :func:`activate`.

    The first of its layers makes new memory.
    """

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        for i, layer in enumerate(layers):
            if isinstance(layer, nn.GELU):
                x = activate(layer, x, *layers[:i])
            else:
                x = layer(x)
        return x


def scale_channels(x: Tensor, gamma: Tensor | None) -> Tensor:
    """Multiplies channel ``c`` of a map by ``gamma[c]`` (Layer Scale).

    Args:
        x (Tensor): Map of shape (B, C, *spatial).
        gamma (Tensor, optional): C values in any shape. Published files hold
            (1, C, 1, 1) for local blocks and (C,) for global ones. None for
            no Layer Scale.
    """
    if gamma is None:
        return x
    return x * gamma.reshape(-1, *(1,) * (x.dim() - 2))


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Drops the residual branch of whole samples (stochastic depth).

    Args:
        x (Tensor): Residual branch of shape (B, C, *spatial).
        rate (float): Probability of dropping a sample, in [0, 1).
        training (bool): Nothing is dropped in eval mode.
    """
    if rate == 0.0 or not training:
        return x
    keep = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1))
    return x * keep.bernoulli_(1 - rate).div_(1 - rate)


def zero_pad(x: Tensor, pads: Sequence[int]) -> Tensor:
    """Pads a map with zeros at the end of each spatial dimension.

    Args:
        x (Tensor): Map of shape (B, C, *spatial).
        pads (Sequence[int]): What is added to each of its sizes.

    Returns:
        Tensor: The padded map; ``x`` itself where nothing is to be padded.
    """
    # A graph for every size pads by whatever it is, and zero costs nothing:
    # a branch here would be a compilation for each outcome.
    if not is_recorded() and not any(pads):
        return x
    # F.pad wants the last dimension first.
    return F.pad(x, [p for pad in reversed(pads) for p in (0, pad)])
