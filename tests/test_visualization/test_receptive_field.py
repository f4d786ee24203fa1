"""Receptive fields are gradients, and no larger than their kernels."""

import numpy as np
import pytest
import torch

from mmuniformer.models import UniFormer, UniFormer3D, UniFormerLight
from mmuniformer.visualization.receptive_field import (
    Field,
    cut,
    decades,
    reach,
    receptive_fields,
    side_of_share,
)

TINY = dict(depths=(2, 1, 1, 1), embed_dims=(16, 16, 32, 32), head_dim=16)


def build(cls, shape):
    torch.manual_seed(0)
    model = cls({**TINY, 'mlp_ratio': 2}).double().eval()
    return model, torch.randn(1, 3, *shape, dtype=torch.float64)


def test_a_local_stage_sees_as_far_as_its_kernels():
    model, x = build(UniFormer, (128, 192))
    fields = receptive_fields(model, x)
    assert sorted(fields) == [1, 2, 3, 4]
    # A block has a kernel of 3 and one of 5: 3 tokens to each side. Two of
    # them make 6, of 4 pixels each, around a token of 4 pixels.
    support = fields[1].values[0] > 0
    y, x_ = 4 * 16, 4 * 24
    expected = np.zeros((128, 192), bool)
    expected[y - 24 : y + 28, x_ - 24 : x_ + 28] = True
    assert (support == expected).all()
    assert fields[1].centre == (y + 2, x_ + 2)
    # The next: 3 tokens of 8 pixels around one of 8, and 24 before that.
    rows = np.flatnonzero((fields[2].values[0] > 0).any(1))
    assert (rows[0], rows[-1]) == (8 * 8 - 24 - 24, 8 * 8 + 7 + 24 + 24)
    # Attention has no such bound.
    assert (fields[3].values > 0).all()
    assert (fields[4].values > 0).all()


@pytest.mark.parametrize('conv_stem', [False, True])
def test_the_centre_is_that_of_what_a_token_is_made_from(conv_stem):
    torch.manual_seed(0)
    arch = dict(TINY, mlp_ratio=2, depths=(1, 1, 1, 1), conv_stem=conv_stem)
    model = UniFormer(arch, stage_types='LLLL').double().eval()
    # No kernel reaches the edge; and what is left over has no tokens.
    x = torch.randn(1, 3, 500, 525, dtype=torch.float64)
    for field in receptive_fields(model, x).values():
        support = field.values[0] > 0
        for axis, middle in zip((1, 0), field.centre, strict=True):
            pixels = np.flatnonzero(support.any(axis))
            assert pixels[0] > 0
            assert pixels[-1] < support.shape[1 - axis] - 1
            # In a pixel, or between two.
            assert (pixels[0] + pixels[-1] + 1) // 2 == middle


def test_values_are_the_gradient():
    model, x = build(UniFormer, (32, 32))
    field = receptive_fields(model, x)[3]
    maps = []
    model.blocks3[-1].register_forward_hook(lambda *a: maps.append(a[2]))

    def token(image):
        with torch.no_grad():
            model(image)
        return float(maps.pop()[0, :, 1, 1].sum())

    for y, r in ((3, 4), (17, 20), (31, 0)):
        total = 0.0
        for channel in range(3):
            step = torch.zeros_like(x)
            step[0, channel, y, r] = 1e-5
            total += abs(token(x + step) - token(x - step)) / 2e-5
        assert field.values[0, y, r] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(
    ('cls', 'shape'), [(UniFormer3D, (8, 64, 64)), (UniFormerLight, (64, 96))]
)
def test_clips_and_light_models(cls, shape):
    model, x = build(cls, shape)
    fields = receptive_fields(model, x)
    frames = shape[0] if len(shape) == 3 else 1
    for field in fields.values():
        assert field.values.shape == (frames, *shape[-2:])
        assert field.values.max() > 0
    assert not model.blocks4[-1]._forward_hooks
    if frames > 1:
        # Kernels of 3 and 5 frames of 2, twice: all of 8; not all of space.
        assert (fields[1].values.sum((1, 2)) > 0).all()
        assert (fields[1].values == 0).any()


def test_numbers_of_a_square():
    values = np.zeros((1, 20, 30))
    values[0, 9:11, 14:16] = 1
    values[0, 5, 10] = 4
    field = Field(values, (10, 15))
    assert reach(field) == 10
    square = cut(field, 8)
    assert square.shape == (1, 16, 16)
    assert square.sum() == 8
    # One token wide, with a convolutional stem: its centre is at the edge.
    narrow = Field(values[..., :8], (10, 0))
    assert reach(narrow) == 8
    square_ = cut(narrow, 8)
    assert square_.shape == (1, 16, 16)
    assert (square_[..., 8:] == values[:, 2:18, :8]).all()
    assert (square_[..., :8] == 0).all()
    assert side_of_share(square, 0.5) == 2
    assert side_of_share(square, 0.51) == 10
    assert side_of_share(np.zeros((1, 4, 4)), 0.5) == 0
    shown = decades(np.array([[1, 0.01, 1e-4, 1e-9, 0]]))
    np.testing.assert_allclose(shown, [[1, 0.5, 0, 0, 0]], atol=1e-12)
    assert (decades(np.zeros((2, 2))) == 0).all()
