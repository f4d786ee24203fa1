"""The hourglass block of the light models (paper, section 5.1)."""

from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmuniformer.models.layers.block import Block, FeedForward, layer_scales
from mmuniformer.models.layers.channels import (
    ChannelLayerNorm,
    as_tokens,
    drop_path,
    scale_channels,
)
from mmuniformer.models.layers.recording import is_exported, is_recorded
from mmuniformer.models.layers.scores import (
    SMALLEST,
    ScoringAttention,
    TokenScores,
)

# Shares of tokens are told apart to a part in so many.
SHARES = 1_000_000


class HourglassBlock(Block):
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
        ndim (int): 2 for images, 3 for video.
        dim (int): Number of channels C.
        num_heads (int): Heads of the attention.
        mlp_ratio (float): Width of the FFN's hidden layer, in C.
        use_dpe (bool): Whether the block has a position embedding.
        per_frame (bool): Whether its kernel sees one frame only.
        drop (float): Dropout rate of the FFN and of the attention's output.
        attn_drop (float): Dropout rate of the attention weights.
        drop_path_rate (float): Probability of dropping each of the residual
            branches for a sample.
        layer_scale_init_value (float, optional): Initial value of the Layer
            Scale of MHRA and FFN; None for no Layer Scale.
        keep_ratio (float): Share of the tokens that is kept, rounded down.
        running_mean (bool): Whether old importance counts, or the new
            similarity alone (Table 23).
    """

    def __init__(
        self,
        ndim: int,
        dim: int,
        num_heads: int = 1,
        mlp_ratio: float = 4.0,
        use_dpe: bool = True,
        per_frame: bool = False,
        drop: float = 0.0,
        attn_drop: float = 0.0,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float | None = None,
        keep_ratio: float = 0.5,
        running_mean: bool = True,
    ):
        super().__init__(ndim, dim, use_dpe, per_frame, drop_path_rate)
        self.keep_ratio = keep_ratio
        # Whole numbers: runtimes round products of others in their ways.
        share = Fraction(keep_ratio).limit_denominator(SHARES)
        largest = Fraction(SHARES - 1, SHARES)
        self.share = min(share, largest).as_integer_ratio()
        self.running_mean = running_mean
        self.gamma_1, self.gamma_2 = layer_scales(
            (dim,), layer_scale_init_value
        )
        self.norm1 = ChannelLayerNorm(dim, eps=1e-6)
        self.attn = ScoringAttention(dim, num_heads, attn_drop, drop)
        self.norm2 = ChannelLayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(nn.Linear, dim, mlp_ratio, drop)

    def forward(
        self, x: Tensor, scores: TokenScores
    ) -> tuple[Tensor, TokenScores]:
        """Relates the tokens of a map.

        Args:
            x (Tensor): Map of shape (B, C, *spatial).
            scores (TokenScores): What the block before returned. Without
                importance, all tokens are kept; without a score token,
                similarity to all tokens is meant instead of that to it
                (Table 23).

        Returns:
            tuple[Tensor, TokenScores]: Map of the shape of ``x``, and the
            scores for the next block.
        """
        x = self.embed_position(x)
        spatial = x.shape[2:]
        tokens = as_tokens(x)
        old = scores.importance
        kept = self.select(old)
        if old is not None:
            old = old.flatten(1)

        parts = [tokens] if kept is None else shrink(tokens, old, kept)
        by_token = scores.token is not None
        if by_token:
            parts.insert(0, scores.token)
        sequence, added, similarity = self._relate(
            torch.cat(parts, 1), by_token
        )
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

    def select(self, importance: Tensor | None) -> Tensor | None:
        """Chooses the tokens of greatest importance.

        Args:
            importance (Tensor, optional): Of shape (B, *spatial), N positions
                in all; None in front of the first block.

        Returns:
            Tensor or None: Their positions (B, int(N * keep_ratio)) from the
            most important one on; None if all are kept, and, but in a graph
            for any size, if all but one are: the mean of one token is the
            token.
        """
        if importance is None or self.keep_ratio == 1:
            return None
        importance = importance.flatten(1)
        total = importance.shape[1]
        kept = total * self.share[0] // self.share[1]
        left = total - kept
        if not is_recorded() and left == 1:
            return None
        if is_exported():
            # ONNX knows no stable sort, and takes the first of equals here.
            # One more is left off: OpenVINO has no topk of none, which is
            # what a map of one token keeps.
            return without_last(importance.topk(kept + 1, dim=1).indices, 1)
        # Stable: equally important tokens are kept alike in every batch.
        order = importance.argsort(dim=1, descending=True, stable=True)
        return order.split((kept, left), 1)[0]

    def _relate(
        self, sequence: Tensor, by_token: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """MHRA and FFN (equations 2 and 3).

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
        attended = scale_channels(attended, self.gamma_1)
        x = x + drop_path(attended, self.drop_path_rate, self.training)
        fed = scale_channels(self.mlp(self.norm2(x)), self.gamma_2)
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
        new, of_mean = without_last(similarity, 1), similarity[:, -1:]
        if self.running_mean:
            new = (old.gather(1, kept) + new) / 2
            of_mean = (old + of_mean) / 2
        if is_recorded():
            # The mean of one token is the token, and was kept as well.
            others = torch.ones_like(old).scatter(1, kept, 0.0)
            alone = others.sum(1, keepdim=True) == 1
            old = torch.where(alone, of_mean, old)
        return old.scatter(1, kept, new)

    def _fold_layers(self) -> None:
        self._fold_gammas(self.attn.proj)


def shrink(tokens: Tensor, importance: Tensor, kept: Tensor) -> list[Tensor]:
    """Replaces the tokens that are not kept by their weighted mean.

    Args:
        tokens (Tensor): Of shape (B, N, C).
        importance (Tensor): Of shape (B, N), not negative.
        kept (Tensor): Positions of shape (B, K).

    Returns:
        list[Tensor]: The kept tokens (B, K, C), and the mean of the others
        (B, 1, C).
    """
    crucial = tokens.flatten(0, 1).index_select(0, rows(kept, tokens))
    weights = importance.scatter(1, kept, 0.0)
    weights = weights / weights.sum(1, keepdim=True).clamp_min(SMALLEST)
    mean = torch.bmm(weights.unsqueeze(1).to(tokens.dtype), tokens)
    return [crucial.unflatten(0, kept.shape[::-1]).transpose(0, 1), mean]


def recover(
    tokens: Tensor, sequence: Tensor, added: Tensor, kept: Tensor
) -> Tensor:
    """Undoes :func:`shrink` after the tokens have been related.

    Args:
        tokens (Tensor): All tokens (B, N, C) as they were.
        sequence (Tensor): The kept tokens as they are, then the mean of the
            others (B, K + 1, C).
        added (Tensor): What the others get added (B, 1, C).
        kept (Tensor): Positions of the kept tokens (B, K).

    Returns:
        Tensor: All tokens (B, N, C).
    """
    out = tokens + added
    crucial = batch_last(without_last(sequence, 1).to(out.dtype))
    flat = out.flatten(0, 1).index_copy_(0, rows(kept, tokens), crucial)
    return flat.unflatten(0, out.shape[:2])


def without_last(x: Tensor, dim: int) -> Tensor:
    """Leaves the last row of a dimension out."""
    # A copy: a view would ask in a graph for any size whether one row is left.
    return F.pad(x, (0, 0) * (x.dim() - 1 - dim) + (0, -1))


def rows(positions: Tensor, tokens: Tensor) -> Tensor:
    """Positions in samples as those in a batch that is laid out flat.

    Copying whole rows is many times faster than ``gather`` and ``scatter``.

    Args:
        positions (Tensor): Of shape (B, K), in the N tokens of a sample.
        tokens (Tensor): Of shape (B, N, C).

    Returns:
        Tensor: Positions (K * B,) in tokens of shape (B * N, C).
    """
    batch, total = tokens.shape[:2]
    first = torch.arange(batch, device=positions.device) * total
    return batch_last(positions + first.unsqueeze(1))


def batch_last(x: Tensor) -> Tensor:
    """Lays (B, K, *rest) out as (K * B, *rest)."""
    # In the order of partition(), and by its copy: K may be traced as 1.
    x = x.transpose(0, 1).clone(memory_format=torch.contiguous_format)
    return x.flatten(0, 1)
