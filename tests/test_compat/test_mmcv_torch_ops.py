"""Ops in plain torch against their definitions, by mmcv's functions."""

import pytest
import torch
import torch.nn.functional as F
from mmcv import ops
from torch.autograd import gradcheck

pytestmark = pytest.mark.usefixtures('ours')


def numbers(*shape):
    torch.manual_seed(sum(shape))
    return torch.randn(shape, dtype=torch.double, requires_grad=True)


@pytest.mark.parametrize('size', [(3, 5), (5, 3), (7, 9)])
@pytest.mark.parametrize('kind', ['collect', 'distribute'])
def test_psamask(kind, size):
    rows, cols = size
    mask = numbers(2, rows * cols, 3, 4)
    layer = ops.PSAMask(kind, size)
    expected = torch.zeros(2, 12, 3, 4, dtype=torch.double)
    for h in range(3):
        for w in range(4):
            for i in range(rows):
                for j in range(cols):
                    y, x = h + i - rows // 2, w + j - cols // 2
                    if not (0 <= y < 3 and 0 <= x < 4):
                        continue
                    value = mask[:, i * cols + j, h, w].detach()
                    if kind == 'collect':
                        expected[:, y * 4 + x, h, w] = value
                    else:
                        expected[:, h * 4 + w, y, x] = value
    assert torch.equal(layer(mask), expected)
    assert gradcheck(layer, mask, fast_mode=True)


def test_masked_convolution():
    layer = ops.MaskedConv2d(3, 4, 3, padding=1).double().eval()
    x = numbers(1, 3, 6, 7).detach()
    mask = torch.rand(1, 6, 7) > 0.6
    with torch.no_grad():
        wanted = F.conv2d(x, layer.weight, layer.bias, padding=1) * mask
        torch.testing.assert_close(layer(x, mask), wanted)
        assert not layer(x, torch.zeros(1, 6, 7)).any()


@pytest.mark.parametrize('naive', [True, False])
@pytest.mark.parametrize(
    ('kernel', 'groups', 'scale'), [(3, 1, 2), (5, 2, 2), (1, 4, 3)]
)
def test_carafe(kernel, groups, scale, naive, monkeypatch):
    features = numbers(2, 4, 3, 4)
    masks = numbers(2, groups * kernel**2, 3 * scale, 4 * scale)
    op = ops.carafe_naive if naive else ops.carafe
    out = op(features, masks, kernel, groups, scale)
    patches = F.unfold(features, kernel, padding=kernel // 2)
    patches = patches.view(2, groups, 4 // groups, kernel**2, 3, 4)
    patches = patches.repeat_interleave(scale, 4).repeat_interleave(scale, 5)
    weights = masks.unflatten(1, (groups, 1, kernel**2))
    expected = (patches * weights).sum(3).flatten(1, 2)
    torch.testing.assert_close(out, expected)
    if naive:
        # mmcv lets gradients of this one go on CUDA alone.
        return
    found = torch.autograd.grad(out.sin().sum(), (features, masks))
    wanted = torch.autograd.grad(expected.sin().sum(), (features, masks))
    torch.testing.assert_close(found, wanted)


def test_carafe_pack_trains():
    layer = ops.CARAFEPack(8, 2)
    out = layer(torch.rand(1, 8, 4, 5, requires_grad=True))
    assert out.shape == (1, 8, 8, 10)
    out.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_tin_shift():
    x = numbers(2, 4, 6, 5)
    shift = torch.tensor([[1, 0, -2], [-1, 4, 9]], dtype=torch.int)
    out = ops.tin_shift(x, shift)
    expected = torch.zeros_like(out)
    for n in range(2):
        for group in range(3):
            channels = slice(2 * group, 2 * group + 2)
            for t in range(4):
                later = t + int(shift[n, group])
                if 0 <= later < 4:
                    expected[n, later, channels] = x[n, t, channels].detach()
    assert torch.equal(out, expected)
    (found,) = torch.autograd.grad((out * x.detach().cos()).sum(), x)
    back = ops.tin_shift(x.detach().cos(), -shift)
    assert torch.equal(found, back)


@pytest.mark.parametrize('gamma', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('weighted', [True, False])
def test_softmax_focal_loss(gamma, weighted):
    logits = numbers(5, 4)
    target = torch.tensor([0, 3, 1, 1, 2])
    weight = torch.rand(4).double() if weighted else None

    def loss(logits):
        return ops.softmax_focal_loss(
            logits, target, gamma, 0.3, weight, 'mean'
        )

    p = logits.softmax(1).gather(1, target[:, None])[:, 0]
    rows = -0.3 * (1 - p) ** gamma * p.log()
    if weighted:
        rows = rows * weight[target]
    torch.testing.assert_close(loss(logits), rows.mean())
    assert gradcheck(loss, logits, fast_mode=True)


@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('moved', [True, False])
def test_deformable_pooling(ratio, moved):
    x = numbers(2, 3, 12, 12)
    rois = torch.tensor([[1, 2.3, 2.1, 8.2, 9.4], [0, 3.1, 4.2, 7.3, 8.8]])
    rois = rois.double()
    offset = 0.3 * numbers(2, 2, 2, 3).detach()
    offset = offset.requires_grad_() if moved else None
    out = ops.deform_roi_pool(x, rois, offset, (2, 3), 1.0, ratio, 0.5)
    # A region of its own for each bin, of which RoIAlign takes the mean.
    expected = torch.empty_like(out)
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        high, wide = (y2 - y1) / 2, (x2 - x1) / 3
        for i in range(2):
            for j in range(3):
                top, left = y1 + i * high, x1 + j * wide
                if moved:
                    left += 0.5 * (x2 - x1) * offset[k, 0, i, j].item()
                    top += 0.5 * (y2 - y1) * offset[k, 1, i, j].item()
                box = [image, left, top, left + wide, top + high]
                box = torch.tensor([box], dtype=torch.double)
                one = ops.roi_align(x.detach(), box, 1, 1.0, ratio)
                expected[k, :, i, j] = one[0, :, 0, 0]
    torch.testing.assert_close(out.detach(), expected.detach())

    def pool(x, offset=None):
        return ops.deform_roi_pool(x, rois, offset, (2, 3), 1.0, ratio, 0.5)

    inputs = (x, offset) if moved else (x,)
    assert gradcheck(pool, inputs, fast_mode=True)
    nothing = ops.deform_roi_pool(x, rois[:0], None, 2)
    assert nothing.shape == (0, 3, 2, 2)
