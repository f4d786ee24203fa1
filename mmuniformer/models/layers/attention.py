"""Relation aggregators of the deep stages: self-attention over tokens."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.models.layers.channels import (
    as_tokens,
    channels_to_end,
    channels_to_front,
    zero_pad,
)
from mmuniformer.models.layers.recording import is_recorded

# How attention is computed, by the name of the argument.
ATTENTION_FORMS = ('fused', 'explicit')


class AttentionWeights(nn.Module):
    """How much each query gathers from each key (paper, equation 7).

    A module, so that a forward hook sees the weights.
    """

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Softmax of the scaled products.

        Args:
            q (Tensor): Queries of shape (B, heads, N, D).
            k (Tensor): Keys of shape (B, heads, M, D).

        Returns:
            Tensor: Weights of shape (B, heads, N, M); they sum to 1 over the
            keys.
        """
        # Scaled first: in half precision the products might not fit.
        q = q * q.shape[-1] ** -0.5
        return (q @ k.transpose(-1, -2)).softmax(-1)


class Attention(nn.Module):
    """The layers of an MHRA; a subclass says what gathers from what.

    Args:
        dim (int): Number of channels C.
        num_heads (int): Number of heads; it divides ``dim``.
        attn_drop (float): Dropout rate of the attention weights.
        proj_drop (float): Dropout rate of the output.

    Attributes:
        form (str): 'fused', where no N x M matrix is ever in memory, or
            'explicit', where ``weights`` makes it: the same numbers.
        weights (AttentionWeights): Runs in the explicit form alone.
    """

    form = 'fused'

    def __init__(
        self,
        dim: int,
        num_heads: int,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ):
        super().__init__()
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.qkv = nn.Linear(dim, dim * 3)
        self.weights = AttentionWeights()
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(proj_drop)

    def split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Splits tokens (B, N, parts * C) into ``parts`` and heads.

        Returns:
            tuple[Tensor, ...]: ``parts`` of shape (B, heads, N, C / heads).
        """
        x = x.unflatten(2, (parts, self.num_heads, -1))
        return x.permute(2, 0, 3, 1, 4).unbind(0)

    def gather(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Equation 7, in the form that is chosen.

        Args:
            q (Tensor): Queries of shape (B, heads, N, D).
            k (Tensor): Keys of shape (B, heads, M, D).
            v (Tensor): Values of shape (B, heads, M, D).

        Returns:
            Tensor: Tokens of shape (B, N, heads * D).
        """
        dropout = self.attn_drop if self.training else 0.0
        if self.form == 'fused':
            x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        else:
            x = F.dropout(self.weights(q, k), dropout, self.training) @ v
        return self.proj_drop(self.proj(x.transpose(1, 2).flatten(2)))


class SelfAttention(Attention):
    """Global MHRA (paper, equation 7) over all tokens, or within windows.

    For video, "all tokens" is joint space-time.

    Args:
        dim (int): Number of channels C.
        num_heads (int): Number of heads; it divides ``dim``.
        kv_stride (int): Keys and values are averaged over cells of this side
            in space, as the paper's ablations with global stages 1 and 2 need
            it (Table 15). Average pooling commutes with the projection, so
            it is done before it.
        attn_drop (float): Dropout rate of the attention weights.
        proj_drop (float): Dropout rate of the output.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        kv_stride: int = 1,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
    ):
        super().__init__(dim, num_heads, attn_drop, proj_drop)
        self.kv_stride = kv_stride

    def forward(self, x: Tensor, window_size: int | None = None) -> Tensor:
        """Lets every token gather from the others.

        Args:
            x (Tensor): Map of shape (B, C, *spatial).
            window_size (int, optional): None for all tokens. Otherwise
                attention stays within windows of this side; the map is padded
                with zeros at its right and bottom to a multiple, and padded
                positions take part as keys, as in the published models.

        Returns:
            Tensor: Map of the shape of ``x``.
        """
        if window_size is None:
            return self._attend(x)
        spatial = x.shape[2:]
        # Windows are counted, and the padding follows from that: in a graph
        # of any size they are whole, whatever it is.
        counts = [(size + window_size - 1) // window_size for size in spatial]
        pads = [
            count * window_size - size
            for count, size in zip(counts, spatial, strict=True)
        ]
        windows = partition(zero_pad(x, pads), window_size, counts)
        x = merge(self._attend(windows), (x.shape[0], *counts))
        return cut(x, pads)

    def _attend(self, x: Tensor) -> Tensor:
        tokens = as_tokens(x)
        if self.kv_stride == 1:
            q, k, v = self.split(self.qkv(tokens), 3)
        else:
            cells = as_tokens(self._pool(x))
            queries, pairs = self._project(tokens, cells)
            (q,) = self.split(queries, 1)
            k, v = self.split(pairs, 2)
        out = self.gather(q, k, v)
        return out.transpose(1, 2).unflatten(2, x.shape[2:])

    def _project(self, tokens: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Queries of tokens (B, N, C), keys and values of cells."""
        dim = tokens.shape[2]
        if type(self.qkv) is not nn.Linear:
            # Something else in its place: LoRA adds to what it gives out.
            return self.qkv(tokens)[..., :dim], self.qkv(cells)[..., dim:]
        weight, bias = self.qkv.weight, self.qkv.bias
        queries = F.linear(tokens, weight[:dim], bias[:dim])
        return queries, F.linear(cells, weight[dim:], bias[dim:])

    def _pool(self, x: Tensor) -> Tensor:
        # ceil_mode: a map smaller than a cell still has one key. A cell that
        # the map ends in has fewer positions, which runtimes other than torch
        # count right if told that padding does not count.
        options = dict(ceil_mode=True, count_include_pad=False)
        if x.dim() == 4:
            return F.avg_pool2d(x, self.kv_stride, **options)
        cell = (1, self.kv_stride, self.kv_stride)
        return F.avg_pool3d(x, cell, **options)


def partition(x: Tensor, window_size: int, counts: Sequence[int]) -> Tensor:
    """Moves the windows of an image map into the batch.

    Args:
        x (Tensor): Map of shape (B, C, rows * window_size, columns *
            window_size).
        window_size (int): Side of a window in pixels of the map.
        counts (Sequence[int]): Rows and columns of windows.

    Returns:
        Tensor: Map of shape (rows * columns * B, C, window_size,
        window_size).
    """
    # The batch is the last of the three: exporters that ask which sizes are 1
    # would leave out the columns behind it, where they trace a single one.
    rows, columns = counts
    x = channels_to_end(x)
    x = x.unflatten(2, (columns, window_size))
    x = x.unflatten(1, (rows, window_size))
    # The copy that flattening would make, if not asked first whether it must.
    x = x.permute(1, 3, 0, 2, 4, 5)
    x = x.clone(memory_format=torch.contiguous_format)
    return channels_to_front(x.flatten(0, 2))


def merge(windows: Tensor, grid: Sequence[int]) -> Tensor:
    """Undoes :func:`partition`.

    Args:
        windows (Tensor): Map of shape (rows * columns * B, C, window_size,
            window_size).
        grid (Sequence[int]): B, rows and columns.

    Returns:
        Tensor: Map of shape (B, C, rows * window_size, columns *
        window_size).
    """
    b, rows, columns = grid
    x = channels_to_end(windows).unflatten(0, (rows, columns, b))
    x = x.permute(2, 0, 3, 1, 4, 5)
    x = x.clone(memory_format=torch.contiguous_format)
    return channels_to_front(x.flatten(3, 4).flatten(1, 2))


def cut(x: Tensor, pads: Sequence[int]) -> Tensor:
    """Cuts the padding of :func:`zero_pad` off.

    Args:
        x (Tensor): Map of shape (B, C, *spatial).
        pads (Sequence[int]): What was added to each of its sizes.
    """
    if is_recorded():
        # Exact, where a slice would ask whether the map is as large; the copy
        # becomes a part of the next operation.
        return zero_pad(x, [-pad for pad in pads])
    for dim, pad in enumerate(pads, 2):
        x = x.narrow(dim, 0, x.shape[dim] - pad)
    return x


def over_time(attend: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Has each token gather from those at its own place, over time.

    Args:
        attend (Callable): An attention over maps (B, C, T).
        x (Tensor): Map of shape (B, C, T, H, W).

    Returns:
        Tensor: Map of the shape of ``x``.
    """
    b, c, t, h, w = x.shape
    # Places go into the batch, each with its T tokens.
    places = x.permute(0, 3, 4, 2, 1).reshape(b * h * w, t, c).transpose(1, 2)
    places = attend(places)
    x = places.transpose(1, 2).reshape(b, h, w, t, c)
    # Back to channels-last memory, which the next layers read as tokens.
    return channels_to_front(x.permute(0, 3, 1, 2, 4).contiguous())


def within_frames(attend: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Has each token gather from those of its own frame.

    Args:
        attend (Callable): An attention over maps (B, C, H, W).
        x (Tensor): Map of shape (B, C, T, H, W).

    Returns:
        Tensor: Map of the shape of ``x``.
    """
    # Frames go into the batch: a view in channels-last memory.
    frames = attend(x.transpose(1, 2).flatten(0, 1))
    return frames.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)
