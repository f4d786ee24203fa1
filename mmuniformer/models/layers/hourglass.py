"""The hourglass block of the light models (paper, section 5.1)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.models.layers.attention import SelfAttention
from mmuniformer.models.layers.block import UniFormerBlock
from mmuniformer.models.layers.channels import drop_path, scale_channels

# Attention that is all on some tokens leaves no importance for the others to
# divide by. A float32 can hold the inverse of this, and its gradient.
SMALLEST = 1e-30


class TokenScores(NamedTuple):
    """What an hourglass block hands on to the next one besides the map.

    Attributes:
        token: The score token (B, 1, C), which has no place in the map; None
            in a model without one.
        importance: Importance (B, *spatial) of each position of the map, in
            float32 or better; None before the first block.
    """

    token: Tensor | None = None
    importance: Tensor | None = None


class ScoringAttention(SelfAttention):
    """Global MHRA that also tells how similar the tokens are to a query."""

    def forward(
        self, x: Tensor, query: slice | None
    ) -> tuple[Tensor, Tensor | None]:
        """Lets every token gather from the others.

        Args:
            x: Tokens of shape (B, C, N).
            query: The tokens whose attention weights are to be returned;
                None for no weights.

        Returns:
            Tokens of the shape of ``x``, and the mean of the weights over
            heads and queries (B, N), at least in float32 (equation 9).
        """
        q, k, v = self._heads(self.qkv(x.transpose(1, 2)), 3)
        weights = None if query is None else mean_weights(q[:, :, query], k)
        dropout = self.attn_drop if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        x = self.proj_drop(self.proj(x.transpose(1, 2).flatten(2)))
        return x.transpose(1, 2), weights


class HourglassBlock(UniFormerBlock):
    """A global block over the important tokens and one for all others.

    ::

        x = x + DPE(x)
        s = [score token, kept tokens of x, mean of the other tokens]
        s = s + MHRA(Norm(s))
        s = s + FFN(Norm(s))

    The tokens of greatest importance are kept; the others are averaged,
    weighted by their importance (token shrinking). Then the kept ones return
    to their places, and what MHRA and FFN added to the mean is added to
    each of the others (token recovering): the map stays whole for the
    convolution of the next block.

    The new importance of a kept token is the mean of the old one and its
    similarity to the score token; the others keep theirs.

    Args:
        args, kwargs: Those of :class:`UniFormerBlock` for a global block.
        keep_ratio: Share of the tokens that is kept, rounded down.
        running_mean: Whether old importance counts, or the new similarity
            alone (Table 23).
    """

    attention_type = ScoringAttention

    def __init__(
        self,
        *args,
        keep_ratio: float = 0.5,
        running_mean: bool = True,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.keep_ratio = keep_ratio
        self.running_mean = running_mean

    def forward(
        self, x: Tensor, scores: TokenScores
    ) -> tuple[Tensor, TokenScores]:
        """Relates the tokens of a map.

        Args:
            x: Map of shape (B, C, *spatial).
            scores: What the block before returned. Without importance, all
                tokens are kept; without a score token, similarity to all
                tokens is meant instead of that to it (Table 23).

        Returns:
            Map of the shape of ``x``, and the scores for the next block.
        """
        x = self.embed_position(x)
        spatial = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)
        old = scores.importance
        if old is not None:
            old = old.flatten(1)
        kept = select(old, self.keep_ratio)

        parts = [tokens] if kept is None else shrink(tokens, old, kept)
        if scores.token is not None:
            parts.insert(0, scores.token)
        sequence = torch.cat(parts, dim=1)
        by_token = scores.token is not None
        sequence, added, similarity = self._relate(sequence, by_token)
        token = None
        if by_token:
            token, sequence = sequence[:, :1], sequence[:, 1:]

        if kept is not None:
            sequence = recover(tokens, sequence, added, kept)
        x = sequence.transpose(1, 2).unflatten(2, spatial)
        if similarity is None:
            return x, TokenScores(token)
        new = self._update(old, similarity[:, int(by_token) :], kept)
        return x, TokenScores(token, new.unflatten(1, spatial))

    def _relate(
        self, sequence: Tensor, by_token: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """MHRA and FFN.

        Args:
            sequence: Tokens of shape (B, N, C).
            by_token: Whether the first one is the score token.

        Returns:
            The tokens; what both branches have for the last of them
            (B, 1, C); the similarity of each to the score token (B, N).
        """
        x = sequence.transpose(1, 2)
        query = slice(1) if by_token else slice(None)
        if self.keep_ratio == 1:
            # No block asks what is important.
            query = None
        attended, similarity = self.attn(self.norm1(x), query)
        if self.gamma_1 is not None:
            attended = scale_channels(attended, self.gamma_1)
        x = x + drop_path(attended, self.drop_path_rate, self.training)
        fed = self.mlp(self.norm2(x))
        if self.gamma_2 is not None:
            fed = scale_channels(fed, self.gamma_2)
        x = x + drop_path(fed, self.drop_path_rate, self.training)
        added = attended[:, :, -1:] + fed[:, :, -1:]
        return x.transpose(1, 2), added.transpose(1, 2), similarity

    def _update(
        self, old: Tensor | None, similarity: Tensor, kept: Tensor | None
    ) -> Tensor:
        """Importance of all tokens (B, N) after that of the kept ones."""
        if old is None:
            return similarity
        if kept is None:
            return (old + similarity) / 2 if self.running_mean else similarity
        # Behind the kept tokens comes the mean of the others.
        new = similarity[:, : kept.shape[1]]
        if self.running_mean:
            new = (old.gather(1, kept) + new) / 2
        return old.scatter(1, kept, new)


def select(importance: Tensor | None, keep_ratio: float) -> Tensor | None:
    """Chooses the tokens of greatest importance.

    Args:
        importance: Of shape (B, N); None in front of the first block.
        keep_ratio: Share of the tokens to keep.

    Returns:
        Their positions (B, int(N * keep_ratio)) from the most important one
        on; None if all are kept, and if all but one are: the mean of one
        token is the token.
    """
    if importance is None:
        return None
    total = importance.shape[1]
    kept = int(total * keep_ratio)
    if total - kept < 2:
        return None
    # Stable: equally important tokens are kept alike in every batch.
    order = importance.argsort(dim=1, descending=True, stable=True)
    return order[:, :kept]


def shrink(tokens: Tensor, importance: Tensor, kept: Tensor) -> list[Tensor]:
    """Replaces the tokens that are not kept by their weighted mean.

    Args:
        tokens: Of shape (B, N, C).
        importance: Of shape (B, N), not negative.
        kept: Positions of shape (B, K).

    Returns:
        The kept tokens (B, K, C), and the mean of the others (B, 1, C).
    """
    crucial = tokens.flatten(0, 1).index_select(0, rows(kept, tokens))
    weights = importance.scatter(1, kept, 0.0)
    weights = weights / weights.sum(1, keepdim=True).clamp_min(SMALLEST)
    mean = torch.bmm(weights.unsqueeze(1).to(tokens.dtype), tokens)
    return [crucial.unflatten(0, kept.shape), mean]


def recover(
    tokens: Tensor, sequence: Tensor, added: Tensor, kept: Tensor
) -> Tensor:
    """Undoes :func:`shrink` after the tokens have been related.

    Args:
        tokens: All tokens (B, N, C) as they were.
        sequence: The kept tokens as they are, then their mean (B, K + 1, C).
        added: What the others get added (B, 1, C).
        kept: Positions of the kept tokens (B, K).

    Returns:
        All tokens (B, N, C).
    """
    out = tokens + added
    crucial = sequence[:, : kept.shape[1]].flatten(0, 1).to(out.dtype)
    flat = out.flatten(0, 1).index_copy_(0, rows(kept, tokens), crucial)
    return flat.unflatten(0, out.shape[:2])


def rows(positions: Tensor, tokens: Tensor) -> Tensor:
    """Positions (B, K) in samples (B, N, C) as those in (B * N, C), flat.

    Copying whole rows is many times faster than ``gather`` and ``scatter``.
    """
    batch, total = tokens.shape[:2]
    first = torch.arange(batch, device=positions.device) * total
    return (positions + first.unsqueeze(1)).flatten()


def pool_importance(importance: Tensor) -> Tensor:
    """Halves the map of importance as the next embedding halves the map.

    Args:
        importance: Of shape (B, H, W) or (B, T, H, W); frames stay.

    Returns:
        Of shape (B, H / 2, W / 2) or (B, T, H / 2, W / 2), with the sum that
        it had.
    """
    # Frames are to it what channels are.
    pooled = F.avg_pool2d(importance, 2)
    dims = tuple(range(1, importance.dim()))
    before = importance.sum(dims, keepdim=True)
    after = pooled.sum(dims, keepdim=True).clamp_min(SMALLEST)
    return pooled * (before / after)


def mean_weights(q: Tensor, k: Tensor) -> Tensor:
    """Attention weights of some queries, their mean over heads and queries.

    Importance is compared over many blocks, so that half precision would
    change which tokens are kept: the products are made in float32.

    Args:
        q: Queries of shape (B, heads, Q, D).
        k: Keys of shape (B, heads, N, D).

    Returns:
        Weights of shape (B, N), at least in float32.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    q = q.to(dtype) * q.shape[-1] ** -0.5
    if q.shape[2] == 1:
        # Autocast leaves this product alone, and a matrix product not.
        logits = (q * k).sum(-1).unsqueeze(2)
    else:
        logits = q @ k.to(dtype).transpose(-1, -2)
    return logits.softmax(-1, dtype=dtype).mean((1, 2))
