"""Relation aggregators of the deep stages: self-attention over tokens."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.models.layers.channels import zero_pad
from mmuniformer.models.layers.recompute import is_compiling


class SelfAttention(nn.Module):
    """Global MHRA (paper, equation 7), over all tokens or some of them.

    For video, "all tokens" is joint space-time. The attention is fused: its
    N x N matrix is never in memory.

    Args:
        dim: Number of channels C.
        num_heads: Number of heads; it divides ``dim``.
        kv_stride: Keys and values are averaged over cells of this side in
            space, as the paper's ablations with global stages 1 and 2 need
            it (Table 15). Average pooling commutes with the projection, so
            it is done before it.
        attn_drop: Dropout rate of the attention weights.
        proj_drop: Dropout rate of the output.
        over: What a token of a video gathers from: 'all' of it, its 'frame',
            or its own place over 'time'. An image has 'all' only.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        kv_stride: int = 1,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        over: str = 'all',
    ):
        super().__init__()
        self.over = over
        self.num_heads = num_heads
        self.kv_stride = kv_stride
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def forward(self, x: Tensor, window_size: int | None = None) -> Tensor:
        """Lets every token gather from the others.

        Args:
            x: Map of shape (B, C, *spatial).
            window_size: None for all tokens. Otherwise attention stays
                within windows of this side; the map is padded with zeros at
                its right and bottom to a multiple, and padded positions take
                part as keys, as in the published models.

        Returns:
            Map of the shape of ``x``.
        """
        if self.over == 'frame':
            return self._attend_in_frames(x)
        if self.over == 'time':
            return self._attend_over_time(x)
        if window_size is None:
            return self._attend(x)
        spatial = x.shape[2:]
        padded = zero_pad(x, window_size)
        windows = self._attend(partition(padded, window_size))
        return merge(windows, window_size, padded.shape, spatial)

    def _attend(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        if self.kv_stride == 1:
            q, k, v = self._heads(self.qkv(tokens), 3)
        else:
            dim = x.shape[1]
            # ceil_mode: a map smaller than a cell still has one key.
            if x.dim() == 4:
                pooled = F.avg_pool2d(x, self.kv_stride, ceil_mode=True)
            else:
                cell = (1, self.kv_stride, self.kv_stride)
                pooled = F.avg_pool3d(x, cell, ceil_mode=True)
            pooled = pooled.flatten(2).transpose(1, 2)
            weight, bias = self.qkv.weight, self.qkv.bias
            (q,) = self._heads(F.linear(tokens, weight[:dim], bias[:dim]), 1)
            kv = F.linear(pooled, weight[dim:], bias[dim:])
            k, v = self._heads(kv, 2)
        dropout = self.attn_drop if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        out = self.proj(out.transpose(1, 2).flatten(2))
        out = self.proj_drop(out)
        return out.transpose(1, 2).unflatten(2, x.shape[2:])

    def _attend_in_frames(self, x: Tensor) -> Tensor:
        """Frames go into the batch: a view in channels-last memory."""
        frames = x.transpose(1, 2).flatten(0, 1)
        frames = self._attend(frames)
        return frames.unflatten(0, (x.shape[0], -1)).transpose(1, 2)

    def _attend_over_time(self, x: Tensor) -> Tensor:
        """Places go into the batch, each with its T tokens."""
        b, c, t, h, w = x.shape
        places = x.permute(0, 3, 4, 2, 1).reshape(-1, t, c).transpose(1, 2)
        places = self._attend(places)
        x = places.transpose(1, 2).reshape(b, h, w, t, c)
        # Back to channels-last memory, which the next layers read as tokens.
        return x.permute(0, 3, 1, 2, 4).contiguous().movedim(-1, 1)

    def _heads(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(B, N, parts * C) to ``parts`` tensors (B, heads, N, C / heads)."""
        x = x.unflatten(2, (parts, self.num_heads, -1))
        return x.permute(2, 0, 3, 1, 4).unbind(0)


def partition(x: Tensor, window_size: int) -> Tensor:
    """Moves the windows of an image map into the batch.

    Args:
        x: Map of shape (B, C, H, W), H and W multiples of ``window_size``.

    Returns:
        Map of shape (B * windows, C, window_size, window_size).
    """
    b, c, h, w = x.shape
    rows, columns = h // window_size, w // window_size
    x = x.movedim(1, -1)
    x = x.reshape(b, rows, window_size, columns, window_size, c)
    x = x.transpose(2, 3).reshape(-1, window_size, window_size, c)
    return x.movedim(-1, 1)


def merge(
    windows: Tensor,
    window_size: int,
    padded: tuple[int, ...],
    spatial: tuple[int, ...],
) -> Tensor:
    """Undoes :func:`partition` and cuts the padding off.

    Args:
        windows: Map of shape (B * windows, C, window_size, window_size).
        window_size: Side of a window in pixels of the map.
        padded: Shape of the map that was partitioned.
        spatial: Height and width to return.

    Returns:
        Map of shape (B, C, *spatial).
    """
    b, c, h, w = padded
    rows, columns = h // window_size, w // window_size
    x = windows.movedim(1, -1)
    x = x.reshape(b, rows, columns, window_size, window_size, c)
    x = x.transpose(2, 3).reshape(b, h, w, c)
    x = x[:, : spatial[0], : spatial[1]]
    if is_compiling():
        # A compiler would ask for each size whether something was cut off.
        # It makes this copy a part of the next operation.
        x = x.clone(memory_format=torch.contiguous_format)
    return x.movedim(-1, 1)
