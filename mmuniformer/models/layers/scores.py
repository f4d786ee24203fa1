"""Which tokens matter to a light model (paper, section 5.1)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.models.layers.attention import Attention

# Attention that is all on some tokens leaves no importance for the others to
# divide by. A float32 can hold the inverse of this, and its gradient.
SMALLEST = 1e-30


class TokenScores(NamedTuple):
    """What an hourglass block hands on to the next one besides the map.

    Attributes:
        token (Tensor or None): The score token (B, 1, C), which has no place
            in the map; None in a model without one.
        importance (Tensor or None): Importance (B, *spatial) of each position
            of the map, in float32 or better; None before the first block.
    """

    token: Tensor | None = None
    importance: Tensor | None = None


class ScoringAttention(Attention):
    """Global MHRA that also tells how similar the tokens are to a query.

    Args:
        dim (int): Number of channels C.
        num_heads (int): Number of heads; it divides ``dim``.
        attn_drop (float): Dropout rate of the attention weights.
        proj_drop (float): Dropout rate of the output.
    """

    def forward(
        self, x: Tensor, query: slice | None
    ) -> tuple[Tensor, Tensor | None]:
        """Lets every token gather from the others.

        Args:
            x (Tensor): Tokens of shape (B, C, N).
            query (slice, optional): The tokens whose attention weights are to
                be returned; None for no weights.

        Returns:
            tuple[Tensor, Tensor or None]: Tokens of the shape of ``x``, and
            the mean of the weights over heads and queries (B, N), at least in
            float32 (equation 9).
        """
        q, k, v = self.split(self.qkv(x.transpose(1, 2)), 3)
        weights = None
        if query is not None:
            weights = mean_weights(q[:, :, query], k, query.stop == 1)
        return self.gather(q, k, v).transpose(1, 2), weights


def mean_weights(q: Tensor, k: Tensor, single: bool) -> Tensor:
    """Attention weights of some queries, their mean over heads and queries.

    Importance is compared over many blocks, so that half precision would
    change which tokens are kept: the products are made in float32.

    Args:
        q (Tensor): Queries of shape (B, heads, Q, D).
        k (Tensor): Keys of shape (B, heads, N, D).
        single (bool): Whether there is one query.

    Returns:
        Tensor: Weights of shape (B, N), at least in float32.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    q = q.to(dtype) * q.shape[-1] ** -0.5
    if single:
        # Autocast leaves this product alone, and a matrix product not.
        logits = (q * k).sum(-1).unsqueeze(2)
    else:
        logits = q @ k.to(dtype).transpose(-1, -2)
    return logits.softmax(-1, dtype=dtype).mean((1, 2))


def pool_importance(importance: Tensor) -> Tensor:
    """Halves the map of importance as the next embedding halves the map.

    Args:
        importance (Tensor): Of shape (B, H, W) or (B, T, H, W); frames stay.

    Returns:
        Tensor: Of shape (B, H / 2, W / 2) or (B, T, H / 2, W / 2), with the
        sum that it had.
    """
    # Frames are to it what channels are; an image has one.
    if importance.dim() == 3:
        pooled = F.avg_pool2d(importance.unsqueeze(1), 2).squeeze(1)
    else:
        pooled = F.avg_pool2d(importance, 2)
    dims = tuple(range(1, importance.dim()))
    before = importance.sum(dims, keepdim=True)
    after = pooled.sum(dims, keepdim=True).clamp_min(SMALLEST)
    return pooled * (before / after)
