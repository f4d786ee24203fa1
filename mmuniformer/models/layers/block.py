"""The UniFormer block (paper, section 3.1)."""

from functools import partial

import torch
from torch import Tensor, nn

from mmuniformer.models.layers.attention import SelfAttention
from mmuniformer.models.layers.channels import (
    BATCH_NORMS,
    GELU,
    POINTWISE_CONVS,
    ChannelLayerNorm,
    ChannelLinear,
    conv_of,
    drop_path,
    scale_channels,
)
from mmuniformer.models.layers.deploy import (
    fold_into_next,
    fold_residual,
    fold_scale,
    fold_sequence,
)


class PositionedBlock(nn.Module):
    """What all blocks begin with: dynamic position embedding (equation 1).

    Attributes:
        pos_embed (nn.Module): Depthwise convolution, or None.
        deploy (bool): Whether the block is in deployment form.
    """

    deploy = False
    pos_embed: nn.Module | None

    def embed_position(self, x: Tensor) -> Tensor:
        """Adds its position embedding to a map (B, C, *spatial)."""
        if self.pos_embed is None:
            return x
        # In deployment form the kernel adds the map itself.
        return self.pos_embed(x) if self.deploy else x + self.pos_embed(x)

    def switch_to_deploy(self) -> None:
        """Folds what can be folded in eval mode; there is no way back."""
        if self.deploy:
            return
        if self.pos_embed is not None:
            fold_residual(self.pos_embed)
        self._fold_layers()
        self.deploy = True

    def _fold_layers(self) -> None:
        raise NotImplementedError


class UniFormerBlock(PositionedBlock):
    """DPE, relation aggregation and FFN (paper, equations 1 to 3).

    ::

        x = x + DPE(x)
        y = x + MHRA(Norm(x))
        z = y + FFN(Norm(y))

    A local block aggregates by a depthwise convolution between two pointwise
    ones, after BatchNorm; a global block by self-attention, after LayerNorm.
    A divided block (Table 16) attends over time before it attends within
    frames; its second residual adds to the tokens from before both, as in
    the official code::

        x = x + DPE(x)
        y = x + SpatialMHRA(Norm(x + TemporalMHRA(Norm(x))))
        z = y + FFN(Norm(y))

    All read and write maps, and the names of their parameters are those of
    the published files.

    Args:
        ndim: 2 for images, 3 for video.
        dim: Number of channels C.
        aggregator: 'local', 'global' or, for video, 'divided'. The windows
            of a global block are an argument of :meth:`forward`, as they add
            no parameter and may differ between training and testing.
        num_heads: Heads of an attention.
        mlp_ratio: Width of the FFN's hidden layer, in C.
        local_size: Side of a local block's neighbourhood, odd.
        kv_stride: See :class:`SelfAttention`.
        use_dpe: Whether the block has a position embedding.
        per_frame: Whether the depthwise convolutions see one frame only.
        drop: Dropout rate of the FFN and of the attention's output.
        attn_drop: Dropout rate of the attention weights.
        drop_path_rate: Probability of dropping each of the residual branches
            for a sample.
        layer_scale_init_value: Initial value of the Layer Scale of the two
            residual branches of the equations; None for no Layer Scale.
    """

    attention_type = SelfAttention

    def __init__(
        self,
        ndim: int,
        dim: int,
        aggregator: str,
        num_heads: int = 1,
        mlp_ratio: float = 4.0,
        local_size: int = 5,
        kv_stride: int = 1,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
    ):
        super().__init__()
        self.drop_path_rate = drop_path_rate
        self.is_local = aggregator == 'local'
        self.gamma_1 = self.gamma_2 = None
        if layer_scale_init_value is not None:
            shape = (1, dim) + (1,) * ndim if self.is_local else (dim,)
            gamma = torch.full(shape, float(layer_scale_init_value))
            self.gamma_1 = nn.Parameter(gamma)
            self.gamma_2 = nn.Parameter(gamma.clone())

        conv = POINTWISE_CONVS[ndim]
        shape = dict(ndim=ndim, dim=dim, per_frame=per_frame)
        self.pos_embed = depthwise(size=3, **shape) if use_dpe else None
        self.t_attn = None
        if self.is_local:
            self.norm1 = BATCH_NORMS[ndim](dim)
            self.conv1 = conv(dim, dim, 1)
            self.conv2 = conv(dim, dim, 1)
            self.attn = depthwise(size=local_size, **shape)
            self.norm2 = BATCH_NORMS[ndim](dim)
        else:
            attention = partial(
                self.attention_type,
                dim,
                num_heads,
                attn_drop=attn_drop,
                proj_drop=drop,
            )
            if aggregator == 'divided':
                self.t_norm = ChannelLayerNorm(dim, eps=1e-6)
                self.t_attn = attention(over='time')
                self.reset_temporal()
            self.norm1 = ChannelLayerNorm(dim, eps=1e-6)
            over = 'all' if aggregator == 'global' else 'frame'
            self.attn = attention(kv_stride=kv_stride, over=over)
            self.norm2 = ChannelLayerNorm(dim, eps=1e-6)
        hidden = int(dim * mlp_ratio)
        self.mlp = FeedForward(ndim, dim, hidden, self.is_local, drop)

    def reset_temporal(self) -> None:
        """Lets attention over time start as nothing that is added.

        The official start of a divided block; others have none.
        """
        if self.t_attn is not None:
            for layer, weight in ((self.t_attn.qkv, 0), (self.t_attn.proj, 1)):
                nn.init.constant_(layer.weight, weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, window_size: int | None = None) -> Tensor:
        """Maps (B, C, *spatial) to the same shape.

        Args:
            x: Input map.
            window_size: Side of the attention windows of a global block,
                None for attention over the whole map. A local block has no
                use for it.
        """
        x = self.embed_position(x)
        x = x + self._branch(self._aggregate(x, window_size), self.gamma_1)
        return x + self._branch(self.mlp(self.norm2(x)), self.gamma_2)

    def _aggregate(self, x: Tensor, window_size: int | None) -> Tensor:
        if self.t_attn is not None:
            x = x + self._branch(self.t_attn(self.t_norm(x)), None)
        x = self.norm1(x)
        if self.is_local:
            return self.conv2(self.attn(self.conv1(x)))
        return self.attn(x, window_size)

    def _branch(self, x: Tensor, gamma: Tensor | None) -> Tensor:
        if gamma is not None:
            x = scale_channels(x, gamma)
        return drop_path(x, self.drop_path_rate, self.training)

    def _fold_layers(self) -> None:
        if self.is_local:
            self.norm1 = fold_into_next(self.norm1, self.conv1)
            self.norm2 = fold_into_next(self.norm2, self.mlp.fc1)
        if self.gamma_1 is not None:
            last = self.conv2 if self.is_local else self.attn.proj
            fold_scale(last, self.gamma_1)
            fold_scale(self.mlp.fc2, self.gamma_2)
            self.gamma_1 = self.gamma_2 = None


class FeedForward(nn.Module):
    """Two pointwise layers around a GELU (paper, equation 3).

    The weights are those of convolutions in local blocks and of linear
    layers in global ones: the published files differ so.
    """

    def __init__(
        self, ndim: int, dim: int, hidden: int, is_local: bool, drop: float
    ):
        super().__init__()
        if is_local:
            self.fc1 = POINTWISE_CONVS[ndim](dim, hidden, 1)
            self.fc2 = POINTWISE_CONVS[ndim](hidden, dim, 1)
        else:
            self.fc1 = ChannelLinear(dim, hidden)
            self.fc2 = ChannelLinear(hidden, dim)
        self.act = GELU()
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.act(self.fc1(x)))
        return self.drop(self.fc2(x))


class MobileNetBlock(PositionedBlock):
    """Inverted residual without FFN: the local block of Table 15, row 2.

    The position embedding stays; the expansion of 3 gives about the
    parameters of a local UniFormer block (paper, section 6.7.1).

    Args:
        ndim: 2 for images, 3 for video.
        dim: Number of channels C.
        local_size: Side of the depthwise convolution, odd.
        use_dpe: Whether the block has a position embedding.
        per_frame: Whether the depthwise convolutions see one frame only.
        drop_path_rate: Probability of dropping the residual branch.
        expand_ratio: Width of the depthwise convolution, in C.
    """

    is_local = True

    def __init__(
        self,
        ndim: int,
        dim: int,
        local_size: int = 5,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop_path_rate: float = 0.0,
        expand_ratio: int = 3,
    ):
        super().__init__()
        self.drop_path_rate = drop_path_rate
        hidden = dim * expand_ratio
        conv, norm = POINTWISE_CONVS[ndim], BATCH_NORMS[ndim]
        shape = dict(ndim=ndim, per_frame=per_frame)
        self.pos_embed = (
            depthwise(dim=dim, size=3, **shape) if use_dpe else None
        )
        self.layers = nn.Sequential(
            conv(dim, hidden, 1, bias=False),
            norm(hidden),
            GELU(),
            depthwise(dim=hidden, size=local_size, bias=False, **shape),
            norm(hidden),
            GELU(),
            conv(hidden, dim, 1, bias=False),
            norm(dim),
        )

    def forward(self, x: Tensor, window_size: int | None = None) -> Tensor:
        """Maps (B, C, *spatial) to the same shape; has no windows."""
        x = self.embed_position(x)
        return x + drop_path(
            self.layers(x), self.drop_path_rate, self.training
        )

    def _fold_layers(self) -> None:
        fold_sequence(self.layers)


def depthwise(
    ndim: int,
    dim: int,
    size: int,
    bias: bool = True,
    per_frame: bool = False,
) -> nn.Module:
    """Depthwise convolution over ``size`` positions that keeps the map's size.

    With ``per_frame``, the kernel of a video spans space only.
    """
    kernel = [size] * ndim
    if per_frame:
        kernel[0] = 1
    return conv_of(kernel)(
        dim,
        dim,
        kernel,
        padding=[k // 2 for k in kernel],
        groups=dim,
        bias=bias,
    )
