"""Ops in plain torch against their definitions, by mmcv's functions."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmcv import ops
from shapely.geometry import Polygon
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


class TestRotated:
    """Against polygons of shapely."""

    @staticmethod
    def boxes(count, seed):
        torch.manual_seed(seed)
        boxes = torch.rand(count, 5) * torch.tensor([30, 30, 20, 20, 6.0])
        return boxes + torch.tensor([100, 100, 0.5, 0.5, -3])

    @staticmethod
    def polygon(box):
        x, y, w, h, angle = box.double().tolist()
        corners = ((-w / 2, -h / 2), (w / 2, -h / 2))
        corners += ((w / 2, h / 2), (-w / 2, h / 2))
        cos, sin = math.cos(angle), math.sin(angle)
        turned = [(a * cos - b * sin, a * sin + b * cos) for a, b in corners]
        return Polygon([(x + a, y + b) for a, b in turned])

    @pytest.mark.parametrize('mode', ['iou', 'iof'])
    @pytest.mark.parametrize('clockwise', [True, False])
    def test_overlaps(self, mode, clockwise):
        one, other = self.boxes(20, 0), self.boxes(30, 1)
        other[:10] = one[:10]
        found = ops.box_iou_rotated(one, other, mode, False, clockwise)
        assert found.shape == (20, 30)
        turn = torch.tensor([1, 1, 1, 1, 1 if clockwise else -1])
        for i, first in enumerate(map(self.polygon, one * turn)):
            for j, second in enumerate(map(self.polygon, other * turn)):
                area = first.intersection(second).area
                whole = first.area
                if mode == 'iou':
                    whole += second.area - area
                assert found[i, j] == pytest.approx(area / whole, abs=1e-5)
        aligned = ops.box_iou_rotated(one, other[:20], mode, True, clockwise)
        assert torch.equal(aligned, found.diagonal())

    def test_boxes_that_share_edges(self):
        turns = torch.arange(8) * math.pi / 4
        box = torch.tensor([5.0, 7.0, 4.0, 2.0]).expand(8, -1)
        one = torch.cat([box, turns[:, None]], dim=1)
        same = ops.box_iou_rotated(one, one, aligned=True)
        torch.testing.assert_close(same, torch.ones(8))
        half = one.clone()
        half[:, 2] /= 2
        found = ops.box_iou_rotated(half, one, aligned=True)
        torch.testing.assert_close(found, torch.full((8,), 0.5))
        # Edge to edge.
        half[:, 0] += 1.5 * 2 * turns.cos()
        half[:, 1] += 1.5 * 2 * turns.sin()
        found = ops.box_iou_rotated(half, one, aligned=True)
        torch.testing.assert_close(found, torch.zeros(8), atol=1e-6, rtol=0)

    def test_no_boxes_and_flat_ones(self):
        none, some = torch.zeros(0, 5), self.boxes(3, 0)
        assert ops.box_iou_rotated(none, some).shape == (0, 3)
        assert ops.box_iou_rotated(some, none).shape == (3, 0)
        some[0, 2:4] = 0
        assert ops.box_iou_rotated(some, some)[0].eq(0).all()
        assert ops.nms_rotated(none, none[:, 0], 0.5)[0].shape == (0, 5)

    @pytest.mark.parametrize('labelled', [True, False])
    def test_nms(self, labelled):
        boxes, scores = self.boxes(60, 2), torch.rand(60)
        labels = torch.arange(60) % 2 if labelled else None
        kept, indices = ops.nms_rotated(boxes, scores, 0.3, labels)
        polygons = [self.polygon(box) for box in boxes]
        expected = []
        for i in scores.argsort(descending=True).tolist():
            rivals = [j for j in expected if not labelled or (i - j) % 2 == 0]
            overlaps = [
                polygons[i].intersection(polygons[j]).area
                / polygons[i].union(polygons[j]).area
                for j in rivals
            ]
            if all(overlap < 0.3 for overlap in overlaps):
                expected.append(i)
        assert indices.tolist() == expected
        assert 5 < len(expected) < 55
        assert torch.equal(kept[:, :5], boxes[expected])
        assert torch.equal(kept[:, 5], scores[expected])


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
