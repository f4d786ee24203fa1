"""The hourglass block: which tokens it keeps, and what becomes of others."""

import pytest
import torch
from golden_data import fill
from hypothesis import given, settings
from hypothesis import strategies as st

from mmuniformer.models.layers import (
    GlobalBlock,
    HourglassBlock,
    TokenScores,
    pool_importance,
)

DIM = 32


def block(ndim=2, **kwargs):
    module = HourglassBlock(ndim, DIM, num_heads=2, **kwargs)
    return fill(module).double().eval()


def inputs(batch=2, spatial=(5, 4), score_token=True, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(batch, DIM, *spatial, dtype=torch.float64)
    token = torch.randn(batch, 1, DIM, dtype=torch.float64)
    importance = torch.rand(batch, *spatial, dtype=torch.float64)
    return x, TokenScores(token if score_token else None, importance)


def attend(block, tokens):
    """Equation 7, for the tokens (N, C) of one sample."""
    qkv = block.attn.qkv(block.norm1(tokens.T[None])[0].T)
    q, k, v = qkv.reshape(len(tokens), 3, 2, DIM // 2).permute(1, 2, 0, 3)
    weights = (q @ k.transpose(1, 2) / (DIM // 2) ** 0.5).softmax(-1)
    out = block.attn.proj((weights @ v).transpose(0, 1).flatten(1))
    return out, weights


def by_definition(block, x, scores):
    """Section 5.1 of the paper, a sample and a token at a time."""
    x = x + block.pos_embed(x)
    maps, tokens, importances = [], [], []
    for b in range(len(x)):
        places = list(x[b].flatten(1).T)
        old = scores.importance[b].flatten()
        ranking = sorted(range(len(places)), key=lambda j: -old[j])
        kept = ranking[: int(len(places) * block.keep_ratio)]
        others = [j for j in ranking if j not in kept]
        if len(others) < 2:
            kept, others = ranking, []
        sequence = [places[j] for j in kept]
        if others:
            total = sum(old[j] for j in others)
            sequence.append(sum(places[j] * old[j] / total for j in others))
        first = 0 if scores.token is None else 1
        if first:
            sequence.insert(0, scores.token[b, 0])
        before = torch.stack(sequence)
        attended, weights = attend(block, before)
        gamma_1 = 1 if block.gamma_1 is None else block.gamma_1
        gamma_2 = 1 if block.gamma_2 is None else block.gamma_2
        after = before + attended * gamma_1
        after = after + gamma_2 * block.mlp(block.norm2(after.T[None]))[0].T
        new = weights[:, 0] if first else weights.mean(1)
        new = new.mean(0)
        importance = old.clone()
        for i, j in enumerate(kept, first):
            places[j] = after[i]
            importance[j] = new[i]
            if block.running_mean:
                importance[j] = (old[j] + new[i]) / 2
        for j in others:
            places[j] = places[j] + after[-1] - before[-1]
        maps.append(torch.stack(places, 1).reshape(x[b].shape))
        importances.append(importance.reshape(x.shape[2:]))
        tokens.append(after[:1])
    return maps, tokens, importances


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    frames=st.sampled_from([None, 1, 3]),
    keep_ratio=st.sampled_from([1.0, 0.8, 0.6, 0.5, 0.4, 0.25]),
    running_mean=st.booleans(),
    score_token=st.booleans(),
    layer_scale=st.sampled_from([None, 0.1]),
)
def test_definition(
    height, width, frames, keep_ratio, running_mean, score_token, layer_scale
):
    spatial = (height, width) if frames is None else (frames, height, width)
    module = block(
        len(spatial),
        keep_ratio=keep_ratio,
        running_mean=running_mean,
        layer_scale_init_value=layer_scale,
    )
    x, scores = inputs(2, spatial, score_token)
    with torch.no_grad():
        out, new = module(x, scores)
        maps, tokens, importances = by_definition(module, x, scores)
    close = dict(rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(out, torch.stack(maps), **close)
    if score_token:
        torch.testing.assert_close(new.token, torch.stack(tokens), **close)
    else:
        assert new.token is None
    if keep_ratio < 1:
        torch.testing.assert_close(
            new.importance, torch.stack(importances), **close
        )
    else:
        # Nobody reads it.
        assert new.importance is None


def test_without_importance_all_tokens_are_kept():
    """The first block is a global block with one token more."""
    module = block()
    x, scores = inputs()
    first = TokenScores(scores.token)
    uniform = TokenScores(scores.token, torch.ones_like(scores.importance))
    with torch.no_grad():
        out, new = module(x, first)
        everything = block(keep_ratio=1.0)(x, uniform)[0]
    torch.testing.assert_close(out, everything)
    # Equation 9: all but what the score token gives itself.
    assert new.importance.shape == (2, 5, 4)
    assert (new.importance > 0).all()
    assert (new.importance.sum((1, 2)) < 1).all()


def test_keeping_all_without_a_score_token_is_a_global_block():
    module = block(keep_ratio=1.0)
    plain = GlobalBlock(2, DIM, num_heads=2).double().eval()
    plain.load_state_dict(module.state_dict())
    x, _ = inputs()
    torch.testing.assert_close(module(x, TokenScores())[0], plain(x))


def test_gradients():
    """Of the map, the token and the importance, in eval mode."""
    module = block(layer_scale_init_value=0.1)
    x, scores = inputs(1, (2, 2))
    leaves = [t.requires_grad_() for t in (x, *scores)]

    def run(x, token, importance):
        out, new = module(x, TokenScores(token, importance))
        return out, *new

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


def test_dropped_branches():
    """Dropping a sample's branches leaves its kept tokens, and them only."""
    module = block(drop_path_rate=0.999999).train()
    module.pos_embed = None
    x, scores = inputs(4)
    with torch.no_grad():
        out, new = module(x, scores)
    kept = module.select(scores.importance)
    same = (out == x).all(1).flatten(1)
    expected = torch.zeros_like(same).scatter(1, kept, True)
    assert torch.equal(same, expected)
    assert torch.equal(new.token, scores.token)


def test_others_without_weight():
    """Attention all on the kept tokens leaves zeros, and no NaN."""
    module = block()
    x, scores = inputs(1)
    module, x = module.float(), x.float()
    scores = TokenScores(scores.token.float())
    importance = torch.zeros(1, 5, 4)
    importance[0, :2] = 0.1
    importance.requires_grad_()
    out, new = module(x, TokenScores(scores.token, importance))
    (out.sum() + new.importance.sum()).backward()
    assert out.isfinite().all()
    assert importance.grad.isfinite().all()


def test_ties_are_the_same_in_any_batch():
    equal = torch.full((1, 700), 0.25)
    random = torch.rand(7, 700)
    select = block().select
    alone = select(equal)
    assert alone[0].tolist() == list(range(350))
    assert torch.equal(select(torch.cat([random, equal]))[-1:], alone)


@pytest.mark.parametrize('ratio', [0.8, 0.5, 0.25])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_counts_tokens(ratio, dtype):
    """Beyond 2048 tokens, where half precision has no integers."""
    module = block(keep_ratio=ratio).to(dtype)
    x, scores = inputs(1, (70, 50))
    scores = TokenScores(scores.token.to(dtype), scores.importance.float())
    x = x.to(dtype)
    out, new = module(x, scores)
    assert new.importance.dtype is torch.float32
    kept = module.select(scores.importance)[0]
    assert len(kept.unique()) == int(3500 * ratio)
    # The others' importance stays, to the bit.
    changed = (new.importance != scores.importance).flatten()
    assert set(changed.nonzero().flatten().tolist()) == set(kept.tolist())
    # What the others get added is one vector.
    others = torch.ones(3500, dtype=torch.bool).index_fill(0, kept, False)
    moved = module.embed_position(x)
    added = (out - moved).float().flatten(2)[0, :, others]
    spread = (added - added.mean(1, keepdim=True)).abs().max()
    step = torch.finfo(dtype).eps * moved.abs().max().float()
    assert spread <= step


@pytest.mark.parametrize('shape', [(2, 6, 4), (2, 7, 5), (3, 2, 9, 8)])
def test_pooling_keeps_the_sum(shape):
    torch.manual_seed(0)
    importance = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    pooled = pool_importance(importance)
    *frames, height, width = shape[1:]
    assert pooled.shape == (shape[0], *frames, height // 2, width // 2)
    dims = tuple(range(1, len(shape)))
    torch.testing.assert_close(pooled.sum(dims), importance.sum(dims))
    # Within a sample, each cell has its share; odd rows have none.
    cells = importance[..., : height // 2 * 2, : width // 2 * 2]
    cells = cells.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2)).sum((-1, -3))
    share = pooled / cells
    first = share.flatten(1)[:, 0].reshape(-1, *(1,) * (len(shape) - 1))
    torch.testing.assert_close(share, first.expand_as(share))
