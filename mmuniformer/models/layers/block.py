"""The UniFormer block (paper, section 3.1), local and global."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from mmuniformer.models.layers.attention import (
    SelfAttention,
    over_time,
    within_frames,
)
from mmuniformer.models.layers.channels import (
    BATCH_NORMS,
    POINTWISE_CONVS,
    ChannelLayerNorm,
    Layers,
    activate,
    channels_to_end,
    channels_to_front,
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


class Block(nn.Module):
    """What blocks share: the position embedding and the residual branches.

    All read and write maps, and the names of their parameters are those of
    the published files.

    Args:
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        use_dpe (bool): Whether the block has a position embedding.
        per_frame (bool): Whether its kernel sees one frame only.
        drop_path_rate (float): Probability of dropping each of the residual
            branches for a sample.

    Attributes:
        pos_embed (nn.Module or None): Depthwise convolution (equation 1).
        gamma_1 (nn.Parameter or None): Layer Scale of the first branch.
        gamma_2 (nn.Parameter or None): Layer Scale of the second branch.
        deploy (bool): Whether the block is in deployment form.
    """

    deploy = False

    def __init__(
        self,
        ndim: int,
        dim: int,
        use_dpe: bool,
        per_frame: bool,
        drop_path_rate: float,
    ):
        super().__init__()
        self.drop_path_rate = drop_path_rate
        self.pos_embed = None
        if use_dpe:
            self.pos_embed = depthwise(ndim, dim, 3, per_frame=per_frame)
        self.gamma_1 = self.gamma_2 = None

    def embed_position(self, x: Tensor) -> Tensor:
        """Adds its position embedding to a map (B, C, *spatial)."""
        if self.pos_embed is None:
            return x
        # In deployment form the kernel adds the map itself.
        return self.pos_embed(x) if self.deploy else x + self.pos_embed(x)

    def branch(self, x: Tensor, gamma: Tensor | None = None) -> Tensor:
        """Layer Scale and stochastic depth of what a branch adds."""
        x = scale_channels(x, gamma)
        return drop_path(x, self.drop_path_rate, self.training)

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

    def _fold_gammas(self, last: nn.Module) -> None:
        """Into the last layer of the first branch, and of the FFN."""
        if self.gamma_1 is not None:
            fold_scale(last, self.gamma_1)
            fold_scale(self.mlp.fc2, self.gamma_2)
            self.gamma_1 = self.gamma_2 = None


class LocalBlock(Block):
    """DPE, local MHRA and FFN (paper, equations 1 to 3 and 6).

    ::

        x = x + DPE(x)
        y = x + MHRA(Norm(x))
        z = y + FFN(Norm(y))

    MHRA is a depthwise convolution between two pointwise ones; Norm is
    BatchNorm.

    Args:
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        mlp_ratio (float): Width of the FFN's hidden layer, in C.
        local_size (int): Side of the neighbourhood that is aggregated, odd.
        use_dpe (bool): Whether the block has a position embedding.
        per_frame (bool): Whether the depthwise convolutions see one frame
            only.
        drop (float): Dropout rate of the FFN.
        drop_path_rate (float): Probability of dropping each of the residual
            branches for a sample.
        layer_scale_init_value (float, optional): Initial value of the Layer
            Scale of equations 2 and 3; None for no Layer Scale.
    """

    def __init__(
        self,
        ndim: int,
        dim: int,
        mlp_ratio: float = 4.0,
        local_size: int = 5,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
    ):
        super().__init__(ndim, dim, use_dpe, per_frame, drop_path_rate)
        conv = partial(POINTWISE_CONVS[ndim], kernel_size=1)
        self.gamma_1, self.gamma_2 = layer_scales(
            (1, dim, *(1,) * ndim), layer_scale_init_value
        )
        self.norm1 = BATCH_NORMS[ndim](dim)
        self.conv1 = conv(dim, dim)
        self.conv2 = conv(dim, dim)
        self.attn = depthwise(ndim, dim, local_size, per_frame=per_frame)
        self.norm2 = BATCH_NORMS[ndim](dim)
        self.mlp = FeedForward(conv, dim, mlp_ratio, drop)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, *spatial) to the same shape."""
        x = self.embed_position(x)
        x = x + self.branch(
            self.conv2(self.attn(self.conv1(self.norm1(x)))), self.gamma_1
        )
        return x + self.branch(self.mlp(self.norm2(x)), self.gamma_2)

    def _fold_layers(self) -> None:
        self.norm1 = fold_into_next(self.norm1, self.conv1)
        self.norm2 = fold_into_next(self.norm2, self.mlp.fc1)
        self._fold_gammas(self.conv2)


class GlobalBlock(Block):
    """DPE, global MHRA and FFN (paper, equations 1 to 3 and 7).

    ::

        x = x + DPE(x)
        y = x + MHRA(Norm(x))
        z = y + FFN(Norm(y))

    MHRA is self-attention; Norm is LayerNorm.

    Args:
        ndim (int): See :class:`LocalBlock`.
        dim (int): Number of channels C.
        num_heads (int): Heads of the attention.
        mlp_ratio (float): Width of the FFN's hidden layer, in C.
        kv_stride (int): See :class:`SelfAttention`.
        use_dpe (bool): Whether the block has a position embedding.
        per_frame (bool): Whether its kernel sees one frame only.
        drop (float): Dropout rate of the FFN and of the attention's output.
        attn_drop (float): Dropout rate of the attention weights.
        drop_path_rate (float): See :class:`LocalBlock`.
        layer_scale_init_value (float, optional): See :class:`LocalBlock`.
    """

    def __init__(
        self,
        ndim: int,
        dim: int,
        num_heads: int = 1,
        mlp_ratio: float = 4.0,
        kv_stride: int = 1,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
    ):
        super().__init__(ndim, dim, use_dpe, per_frame, drop_path_rate)
        self.gamma_1, self.gamma_2 = layer_scales(
            (dim,), layer_scale_init_value
        )
        self.norm1 = ChannelLayerNorm(dim, eps=1e-6)
        self.attn = SelfAttention(dim, num_heads, kv_stride, attn_drop, drop)
        self.norm2 = ChannelLayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(nn.Linear, dim, mlp_ratio, drop)

    def forward(self, x: Tensor, window_size: int | None = None) -> Tensor:
        """Maps (B, C, *spatial) to the same shape.

        Args:
            x (Tensor): Input map.
            window_size (int, optional): Side of the attention windows, None
                for attention over the whole map. Windows add no parameter
                and may differ between training and testing.
        """
        x = self.embed_position(x)
        x = x + self.branch(
            self.attn(self.norm1(x), window_size), self.gamma_1
        )
        return x + self.branch(self.mlp(self.norm2(x)), self.gamma_2)

    def _fold_layers(self) -> None:
        self._fold_gammas(self.attn.proj)


class DividedBlock(Block):
    """A global block over time, then within frames (paper, Table 16).

    The second residual adds to the tokens from before both, as in the
    official code::

        x = x + DPE(x)
        y = x + SpatialMHRA(Norm(x + TemporalMHRA(Norm(x))))
        z = y + FFN(Norm(y))

    Args:
        ndim (int): 3; an image has no time.
        dim (int): Number of channels C.
        num_heads (int): Heads of either attention.
        mlp_ratio (float): See :class:`GlobalBlock`.
        kv_stride (int): Of the attention within frames; see
            :class:`SelfAttention`.
        use_dpe (bool): See :class:`GlobalBlock`.
        per_frame (bool): See :class:`GlobalBlock`.
        drop (float): See :class:`GlobalBlock`.
        attn_drop (float): See :class:`GlobalBlock`.
        drop_path_rate (float): Probability of dropping each of the residual
            branches for a sample: over time, within frames, FFN.
        layer_scale_init_value (float, optional): See :class:`LocalBlock`. The
            branch over time has no Layer Scale.
    """

    def __init__(
        self,
        ndim: int,
        dim: int,
        num_heads: int = 1,
        mlp_ratio: float = 4.0,
        kv_stride: int = 1,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
    ):
        super().__init__(ndim, dim, use_dpe, per_frame, drop_path_rate)
        self.gamma_1, self.gamma_2 = layer_scales(
            (dim,), layer_scale_init_value
        )
        self.t_norm = ChannelLayerNorm(dim, eps=1e-6)
        self.t_attn = SelfAttention(dim, num_heads, 1, attn_drop, drop)
        self.reset_temporal()
        self.norm1 = ChannelLayerNorm(dim, eps=1e-6)
        self.attn = SelfAttention(dim, num_heads, kv_stride, attn_drop, drop)
        self.norm2 = ChannelLayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(nn.Linear, dim, mlp_ratio, drop)

    def reset_temporal(self) -> None:
        """Lets attention over time start as nothing that is added.

        The official start: neither queries nor values, and a projection of
        ones.
        """
        for layer, weight in ((self.t_attn.qkv, 0), (self.t_attn.proj, 1)):
            nn.init.constant_(layer.weight, weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) to the same shape."""
        x = self.embed_position(x)
        x = x + self.branch(self._attend(x), self.gamma_1)
        return x + self.branch(self.mlp(self.norm2(x)), self.gamma_2)

    def _attend(self, x: Tensor) -> Tensor:
        x = x + self.branch(over_time(self.t_attn, self.t_norm(x)))
        x = self.norm1(x)
        return within_frames(self.attn, x)

    def _fold_layers(self) -> None:
        self._fold_gammas(self.attn.proj)


class MobileNetBlock(Block):
    """Inverted residual without FFN: the local block of Table 15, row 2.

    The position embedding stays; the expansion of 3 gives about the
    parameters of a local UniFormer block (paper, section 6.7.1).

    Args:
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        local_size (int): Side of the depthwise convolution, odd.
        use_dpe (bool): Whether the block has a position embedding.
        per_frame (bool): Whether the depthwise convolutions see one frame
            only.
        drop_path_rate (float): Probability of dropping the residual branch.
        expand_ratio (int): Width of the depthwise convolution, in C.
    """

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
        super().__init__(ndim, dim, use_dpe, per_frame, drop_path_rate)
        hidden = dim * expand_ratio
        conv = partial(POINTWISE_CONVS[ndim], kernel_size=1, bias=False)
        norm = BATCH_NORMS[ndim]
        self.layers = Layers(
            conv(dim, hidden),
            norm(hidden),
            nn.GELU(),
            depthwise(ndim, hidden, local_size, False, per_frame),
            norm(hidden),
            nn.GELU(),
            conv(hidden, dim),
            norm(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, *spatial) to the same shape."""
        x = self.embed_position(x)
        return x + self.branch(self.layers(x))

    def _fold_layers(self) -> None:
        fold_sequence(self.layers)


class FeedForward(nn.Module):
    """Two pointwise layers around a GELU (paper, equation 3).

    Args:
        layer (Callable): Makes a layer of two numbers of channels. The
            weights are those of convolutions in local blocks and of linear
            layers in global ones: the published files differ so.
        dim (int): Number of channels C.
        mlp_ratio (float): Width of the hidden layer, in C.
        drop (float): Dropout rate after either layer.
    """

    def __init__(
        self,
        layer: Callable[[int, int], nn.Module],
        dim: int,
        mlp_ratio: float,
        drop: float,
    ):
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.fc1 = layer(dim, hidden)
        self.fc2 = layer(hidden, dim)
        self.act = nn.GELU()
        self.drop = nn.Dropout(drop)
        # Layers of tokens take channels last: a view in channels-last memory.
        self.of_tokens = layer is nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, *spatial) to the same shape."""
        if self.of_tokens:
            x = channels_to_end(x)
        x = self.drop(activate(self.act, self.fc1(x), self.fc1))
        x = self.drop(self.fc2(x))
        return channels_to_front(x) if self.of_tokens else x


BLOCKS = {'local': LocalBlock, 'global': GlobalBlock, 'divided': DividedBlock}


def UniFormerBlock(
    ndim: int, dim: int, aggregator: str, *args, **kwargs
) -> Block:
    """Makes the block of an aggregator.

    Args:
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        aggregator (str): 'local', 'global' or, for video, 'divided'.
        args, kwargs: The other arguments of its class.

    Returns:
        Block: A :class:`LocalBlock`, :class:`GlobalBlock` or
        :class:`DividedBlock`.
    """
    return BLOCKS[aggregator](ndim, dim, *args, **kwargs)


def layer_scales(
    shape: tuple[int, ...], value: float | None
) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    """Layer Scale of the two branches of a block; None twice for none.

    Args:
        shape (tuple[int, ...]): Of either parameter, as published files have
            it.
        value (float, optional): What they start from.
    """
    if value is None:
        return None, None
    gamma = torch.full(shape, float(value))
    return nn.Parameter(gamma), nn.Parameter(gamma.clone())


def depthwise(
    ndim: int,
    dim: int,
    size: int,
    bias: bool = True,
    per_frame: bool = False,
) -> nn.Module:
    """Makes a depthwise convolution that keeps the map's size.

    Args:
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        size (int): Side of the kernel, odd.
        bias (bool): Whether it has a bias.
        per_frame (bool): Whether the kernel of a video spans space only.
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
