"""Places of maps lie where their pixels are."""

import numpy as np
import pytest
import torch

from mmuniformer.models import UniFormer
from mmuniformer.visualization.places import in_pixels, step_of

ARCH = dict(depths=(1, 1, 1, 1), embed_dims=(8, 8, 8, 8), head_dim=8)


@pytest.mark.parametrize(
    ('pixels', 'places', 'step'),
    [
        (224, 7, 32),
        # 31 pixels are left over.
        (703, 21, 32),
        (683, 170, 4),
        (60, 1, 32),
        (5, 5, 1),
        # More than halving leaves, of convolutions that overlap.
        (225, 8, 225 / 8),
        (10, 3, 10 / 3),
    ],
)
def test_the_side_of_a_place(pixels, places, step):
    assert step_of(pixels, places) == step


def test_a_place_of_patches_is_made_from_its_pixels():
    """What the embeddings alone depend on."""
    torch.manual_seed(0)
    model = UniFormer(ARCH).eval()
    for stage in range(1, 5):
        for block in getattr(model, f'blocks{stage}'):
            block.forward = lambda x, *_: x
    x = torch.rand(1, 3, 95, 75, requires_grad=True)
    for out in model(x):
        height, width = out.shape[-2:]
        values = np.zeros((height, width))
        values[-1, -1] = 1
        (grad,) = torch.autograd.grad(
            (out[0, :, -1, -1] ** 3).sum(), x, retain_graph=True
        )
        own = grad[0].abs().sum(0).numpy() > 0
        drawn = in_pixels(values, (95, 75), smooth=False)
        assert (drawn == own).all()
        rows, columns = (np.flatnonzero(own.any(axis)) for axis in (1, 0))
        smooth = in_pixels(values, (95, 75), smooth=True)
        assert smooth[own].min() >= 0.25 - 1e-6
        # And what is left over at the right and at the bottom.
        y, x_ = (int(one.mean() + 0.5) for one in (rows, columns))
        assert smooth[y:, x_:].min() == 1


def test_values_between_places():
    values = np.array([[0.0, 1.0, 3.0]])
    found = in_pixels(values, (2, 13), smooth=True)
    expected = np.interp(np.arange(13) + 0.5, [2, 6, 10], values[0])
    np.testing.assert_allclose(found, [expected] * 2, atol=1e-6)
    same = in_pixels(values, (1, 3), smooth=True)
    np.testing.assert_array_equal(same, values)
