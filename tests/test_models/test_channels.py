"""Layers that are others in effect: what they give, and how."""

import pytest
import torch
from torch import nn

from mmuniformer.models.layers.channels import (
    CHANNELS_LAST,
    FrameConv3d,
    Layers,
    PointwiseConv3d,
    activate,
    conv_of,
)


@pytest.mark.parametrize(
    ('cls', 'arguments'),
    [
        (FrameConv3d, (6, 8, (1, 2, 2), (1, 2, 2))),
        (FrameConv3d, (6, 6, (1, 3, 3), 1, (0, 1, 1), 1, 6)),
        (FrameConv3d, (6, 6, (1, 5, 5), 1, (0, 2, 2), 1, 6, False)),
        (PointwiseConv3d, (6, 8, 1)),
    ],
)
def test_they_are_three_dimensional_convolutions(cls, arguments):
    conv = cls(*arguments).double()
    plain = nn.Conv3d(*arguments).double()
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 6, 3, 9, 8, dtype=torch.float64)
    x = x.to(memory_format=CHANNELS_LAST[3]).requires_grad_()
    out, expected = conv(x), plain(x)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-13)
    # Maps stay in channels-last memory: the next layer makes no copy.
    assert out.is_contiguous(memory_format=CHANNELS_LAST[3])
    weight = torch.randn_like(expected)
    inputs = [x, *conv.parameters()], [x, *plain.parameters()]
    gradients = torch.autograd.grad((out * weight).sum(), inputs[0])
    wanted = torch.autograd.grad((expected * weight).sum(), inputs[1])
    for gradient, want in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, want, rtol=0, atol=1e-12)


def test_the_kernel_decides_the_class():
    assert conv_of((1, 2, 2)) is FrameConv3d
    assert conv_of((3, 3, 3)) is nn.Conv3d
    assert conv_of((1, 3)) is nn.Conv2d


def test_gelu_takes_new_memory_only_for_gradients():
    x, act = torch.randn(4, 5), nn.GELU()
    expected = act(x)
    given = x.clone().requires_grad_()
    out = activate(act, given)
    assert torch.equal(out, expected)
    assert torch.equal(given, x)
    with torch.no_grad():
        given = x.clone()
        out = activate(act, given)
    assert torch.equal(out, expected)
    assert out.data_ptr() == given.data_ptr()


@pytest.mark.parametrize('watched', ['first', 'second', 'act', 'everything'])
@torch.no_grad()
def test_gelu_leaves_what_hooks_have_seen(watched):
    layers = Layers(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU())
    x = torch.randn(2, 3)
    first = layers[0](x)
    second = layers[1](first)
    seen = {}

    def see(module, inputs, output):
        seen[module] = (inputs[0], output)

    if watched == 'everything':
        hook = nn.modules.module.register_module_forward_hook(see)
    else:
        names = dict(first=0, second=1, act=2)
        hook = layers[names[watched]].register_forward_hook(see)
    out = layers(x)
    hook.remove()
    made = {0: (x, first), 1: (first, second), 2: (second, out)}
    assert seen
    for i, layer in enumerate(layers):
        for got, wanted in zip(seen.get(layer, ()), made[i], strict=False):
            assert torch.equal(got, wanted)
    assert torch.equal(out, nn.functional.gelu(second))
