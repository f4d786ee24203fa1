"""Attention of a query is what the layers compute, and where they look."""

import numpy as np
import pytest
import torch

from mmuniformer.models import UniFormer, UniFormer3D, UniFormerLight
from mmuniformer.models.layers import Attention
from mmuniformer.visualization.attention_maps import (
    Query,
    attending_blocks,
    gathered,
)

TINY = dict(depths=(1, 1, 4, 1), embed_dims=(16, 16, 32, 32), head_dim=16)
QUERY = Query(0.6, 0.3, 0.7)


def build(cls, shape, **settings):
    """A backbone in float64 whose attention is far from uniform."""
    torch.manual_seed(0)
    model = cls({**TINY, 'mlp_ratio': 2}, **settings).double().eval()
    for module in model.modules():
        if isinstance(module, Attention):
            torch.nn.init.normal_(module.qkv.weight, std=0.3)
    return model, torch.randn(1, 3, *shape, dtype=torch.float64)


def inputs_of_attention(model, name, x, which='attn'):
    """What an attention gets, and the queries and keys that it makes."""
    attn = getattr(attending_blocks(model)[name], which)
    seen = []
    hooks = [
        attn.register_forward_pre_hook(lambda _, args: seen.append(args[0])),
        attn.qkv.register_forward_hook(lambda *args: seen.append(args[2])),
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    tokens, qkv = seen
    heads = attn.num_heads
    q, k, _ = qkv.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    return tokens, q, k


def softmax_row(q, k):
    """Of one query (heads, D) over keys (heads, M, D), written out."""
    logits = torch.einsum('hd,hmd->hm', q, k) / q.shape[-1] ** 0.5
    weights = torch.exp(logits - logits.max(1, keepdim=True).values)
    return (weights / weights.sum(1, keepdim=True)).numpy()


def test_global_attention_of_an_image():
    model, x = build(UniFormer, (96, 160))
    (found,) = gathered(model, x, QUERY, ['3.2'])
    tokens, q, k = inputs_of_attention(model, '3.2', x)
    assert tokens.shape[2:] == (6, 10) == found.weights.shape[1:]
    assert found.token == (1, 6)
    assert found.name == 'stage 3, block 2'
    assert found.kind == 'all tokens'
    expected = softmax_row(q[0, :, 16], k[0]).reshape(-1, 6, 10)
    np.testing.assert_allclose(found.weights, expected, atol=1e-12)
    np.testing.assert_allclose(found.weights.sum((1, 2)), 1, atol=1e-12)
    assert np.abs(found.elsewhere).max() < 1e-12
    assert found.window is None
    assert found.box is None
    # Each head looks elsewhere, and nowhere evenly.
    assert found.weights.max() > 0.1
    assert np.abs(found.weights[0] - found.weights[1]).max() > 0.05


def test_a_window_is_all_that_its_queries_see():
    model, x = build(UniFormer, (96, 160), stage3='hybrid', window_size=4)
    found = gathered(model, x, QUERY, ['3.1', '3.4'])
    assert [one.kind for one in found] == ['window of 4 x 4', 'all tokens']
    one, whole = found
    assert (whole.weights > 0).all()
    # The second window of the upper row, whole; below is padding.
    assert one.token == (1, 6)
    assert one.box == (0, 4, 4, 8)
    inside = np.zeros((6, 10), bool)
    inside[0:4, 4:8] = True
    assert (one.weights[:, inside] > 0).all()
    assert (one.weights[:, ~inside] == 0).all()
    np.testing.assert_allclose(one.weights.sum((1, 2)), 1, atol=1e-12)
    _, q, k = inputs_of_attention(model, '3.1', x)
    # Windows by rows: 3 in each. Query 1, 2 of the second one.
    expected = softmax_row(q[1, :, 4 * 1 + 2], k[1]).reshape(-1, 4, 4)
    np.testing.assert_allclose(one.weights[:, 0:4, 4:8], expected, atol=1e-12)


def test_padding_of_windows_gets_what_is_missing():
    model, x = build(UniFormer, (96, 160), stage3='window', window_size=4)
    corner = Query(1.0, 1.0)
    (one,) = gathered(model, x, corner, ['3.1'])
    assert one.token == (5, 9)
    assert one.box == (4, 6, 8, 10)
    _, q, k = inputs_of_attention(model, '3.1', x)
    # The last of 2 x 3 windows; its first 2 x 2 tokens are of the map.
    row = softmax_row(q[5, :, 4 * 1 + 1], k[5]).reshape(-1, 4, 4)
    np.testing.assert_allclose(one.weights[:, 4:, 8:], row[:, :2, :2])
    assert one.weights[:, :4].sum() == one.weights[:, :, :8].sum() == 0
    outside = row.sum((1, 2)) - row[:, :2, :2].sum((1, 2))
    np.testing.assert_allclose(one.elsewhere, outside, atol=1e-12)
    assert (one.elsewhere > 0.05).any()


def test_cells_of_keys_are_spread_over_their_tokens():
    model, x = build(UniFormer, (56, 64), stage_types='LGGG')
    (one,) = gathered(model, x, QUERY, ['2.1'])
    # 7 x 8 tokens, keys of 2 x 2: the last row of cells is half a cell.
    _, height, width = one.weights.shape
    assert (height, width) == (7, 8)
    np.testing.assert_allclose(one.weights.sum((1, 2)), 1, atol=1e-12)
    cells = one.weights[:, :6].reshape(-1, 3, 2, 4, 2)
    assert (np.ptp(cells, axis=(2, 4)) == 0).all()
    assert np.ptp(one.weights[0]) > 0.001


def test_cells_of_keys_in_windows():
    settings = dict(stage3='window', window_size=3, kv_strides=(4, 2, 2, 1))
    model, x = build(UniFormer, (96, 160), **settings)
    (one,) = gathered(model, x, Query(0.45, 0.1), ['3.1'])
    assert one.token == (0, 4)
    assert one.box == (0, 3, 3, 6)
    np.testing.assert_allclose(one.weights.sum((1, 2)), 1, atol=1e-12)
    # Cells of a window of 3 x 3: 2 x 2 tokens, 2 x 1, 1 x 2 and 1.
    own = one.weights[:, 0:3, 3:6]
    assert (np.ptp(own[:, :2, :2], axis=(1, 2)) == 0).all()
    assert (own[:, 0, 2] == own[:, 1, 2]).all()
    assert (own[:, 2, 0] == own[:, 2, 1]).all()
    assert np.ptp(own[0]) > 0.001


def test_joint_and_divided_attention_of_a_clip():
    model, x = build(UniFormer3D, (8, 64, 96))
    (one,) = gathered(model, x, QUERY, ['3.1'])
    _, q, k = inputs_of_attention(model, '3.1', x)
    t, y, r = one.token
    assert one.weights.shape[1:] == (4, 4, 6)
    assert (t, y, r) == (2, 1, 3)
    row = softmax_row(q[0, :, (t * 4 + y) * 6 + r], k[0])
    np.testing.assert_allclose(one.weights, row.reshape(-1, 4, 4, 6))

    model, x = build(UniFormer3D, (8, 64, 96), space_time='divided')
    over_time, within = gathered(model, x, QUERY, ['3.1'])
    assert over_time.kind == 'its place over time'
    assert within.kind == 'its frame'
    for found in (over_time, within):
        sums = found.weights.sum((1, 2, 3))
        np.testing.assert_allclose(sums, 1, atol=1e-12)
    assert (over_time.weights[:, :, y, r] > 0).all()
    assert (over_time.weights > 0).sum(axis=(1, 2, 3)).tolist() == [4, 4]
    assert (within.weights[:, t] > 0).all()
    assert (within.weights > 0).sum(axis=(1, 2, 3)).tolist() == [24, 24]
    _, q, k = inputs_of_attention(model, '3.1', x)
    expected = softmax_row(q[t, :, y * 6 + r], k[t]).reshape(-1, 4, 6)
    np.testing.assert_allclose(within.weights[:, t], expected, atol=1e-12)


def test_a_light_model_has_kept_tokens_and_the_mean_of_others():
    model, x = build(UniFormerLight, (96, 160))
    block = attending_blocks(model)['3.3']
    scores = []
    hook = block.register_forward_pre_hook(
        lambda _, args: scores.append(args[1])
    )
    model(x)
    hook.remove()
    importance = scores[0].importance[0].detach()
    order = importance.flatten().argsort(descending=True).tolist()
    kept, others = order[:30], order[30:]
    _, q, k = inputs_of_attention(model, '3.3', x)
    assert q.shape[2] == 1 + 30 + 1
    for token, own in ((kept[2], 1 + 2), (others[0], 31)):
        y, r = divmod(token, 10)
        place = Query((r + 0.5) / 10, (y + 0.5) / 6)
        (one,) = gathered(model, x, place, ['3.3'])
        assert one.token == (y, r)
        assert ('part of' in one.kind) == (own == 31)
        row = softmax_row(q[0, :, own].detach(), k[0].detach())
        flat = one.weights.reshape(len(row), -1)
        np.testing.assert_allclose(flat[:, kept], row[:, 1:31], atol=1e-12)
        # What the mean gets is shared as the mean is made.
        shares = importance.flatten()[others]
        shares = (shares / shares.sum()).numpy()
        np.testing.assert_allclose(
            flat[:, others], row[:, 31:] * shares, atol=1e-12
        )
        np.testing.assert_allclose(one.elsewhere, row[:, 0], atol=1e-12)
    # The first block keeps all.
    (first,) = gathered(model, x, QUERY, ['3.1'])
    assert first.kind == 'all tokens'
    assert (first.weights > 0).all()


def test_a_look_leaves_the_model_as_it_was():
    model, x = build(UniFormer, (64, 64), stage3='hybrid', window_size=4)
    with torch.no_grad():
        before = model(x)
    gathered(model, x, QUERY, ['3.1', '3.2', '4.1'])
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert getattr(module, 'form', 'fused') == 'fused'
    with torch.no_grad():
        after = model(x)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)


def test_blocks_and_places():
    model, _ = build(UniFormer, (64, 64))
    assert list(attending_blocks(model)) == ['3.1', '3.2', '3.3', '3.4', '4.1']
    size = (64, 96)
    assert Query(0, 0).token((4, 6), size) == (0, 0)
    assert Query(1, 1).token((4, 6), size) == (3, 5)
    place = Query(0.5, 0.25, 0.99)
    assert place.token((2, 4, 6), (4, *size)) == (1, 1, 3)
    # Of 76 pixels 64 have a token: pixel 49 is of the fourth.
    assert Query(0.65, 0.99).token((4, 4), (76, 76)) == (3, 3)
    assert Query(0.63, 0.2).token((4, 4), (76, 76)) == (0, 2)


@pytest.mark.parametrize('frames', [1, 3])
def test_a_clip_of_few_frames(frames):
    model, x = build(UniFormer3D, (frames, 32, 32))
    (one,) = gathered(model, x, Query(0.5, 0.5, 0.99), ['4.1'])
    assert one.weights.shape[1:] == (-(-frames // 2), 1, 1)
    np.testing.assert_allclose(one.weights.sum((1, 2, 3)), 1)
