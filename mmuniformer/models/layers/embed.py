"""Downsampling in front of each stage."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmuniformer.models.layers.channels import (
    BATCH_NORMS,
    CONVS,
    ChannelLayerNorm,
    Layers,
    conv_of,
)
from mmuniformer.models.layers.deploy import fold_sequence


class PatchEmbed(nn.Module):
    """Convolution over patches, then LayerNorm.

    Args:
        in_channels (int): Channels of the input map.
        embed_dims (int): Channels of the output map.
        kernel_size (Sequence[int]): Size of a patch in each dimension, its
            length being the number of dimensions: (4, 4) and (2, 2) for
            images.
        stride (Sequence[int], optional): Step in each dimension; the kernel's
            size when None.
        padding (int or Sequence[int]): Zeros around the map in each
            dimension.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        kernel_size: Sequence[int],
        stride: Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
    ):
        super().__init__()
        # Published files list the norm first, although it runs last.
        self.norm = ChannelLayerNorm(embed_dims)
        self.proj = conv_of(kernel_size)(
            in_channels,
            embed_dims,
            kernel_size,
            stride or kernel_size,
            padding,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, *spatial) to embed_dims, each size floored."""
        return self.norm(self.proj(x))


class ConvEmbed(nn.Module):
    """Overlapping 3 x 3 convolutions with BatchNorm (the conv stem of S+).

    Args:
        in_channels (int): Channels of the input map.
        embed_dims (int): Channels of the output map.
        strides (Sequence[Sequence[int]]): Step of each convolution in each
            dimension: one tuple halves the map, two give the stem that
            quarters it.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        strides: Sequence[Sequence[int]],
    ):
        super().__init__()
        ndim = len(strides[0])
        layers = []
        for i, stride in enumerate(strides):
            last = i == len(strides) - 1
            width = embed_dims if last else embed_dims // 2
            layers += [
                CONVS[ndim](in_channels, width, 3, stride, padding=1),
                BATCH_NORMS[ndim](width),
            ]
            if not last:
                layers.append(nn.GELU())
            in_channels = width
        self.proj = Layers(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in_channels, *spatial) to embed_dims, each size ceiled."""
        return self.proj(x)

    def switch_to_deploy(self) -> None:
        """Folds the norms into the convolutions; there is no way back."""
        fold_sequence(self.proj)
