"""Every op against its definition, through mmcv's public functions."""

import inspect
import math
import re
from pathlib import Path

import mmcv
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch.autograd import gradcheck

from mmuniformer.compat import mmcv_ops

pytestmark = pytest.mark.usefixtures('ours')


def random_boxes(count: int, size: float = 40) -> torch.Tensor:
    corner = torch.rand(count, 2) * size
    return torch.cat([corner, corner + torch.rand(count, 2) * size], dim=1)


def iou(a: list, b: list, offset: int = 0) -> float:
    def area(box):
        return (box[2] - box[0] + offset) * (box[3] - box[1] + offset)

    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    return inter / (area(a) + area(b) - inter)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('count', [0, 1, 120])
def test_nms(count, offset):
    torch.manual_seed(count + offset)
    boxes, scores = random_boxes(count), torch.rand(count)
    expected = []
    for index in scores.argsort(descending=True).tolist():
        box = boxes[index].tolist()
        if all(iou(box, boxes[k].tolist(), offset) <= 0.4 for k in expected):
            expected.append(index)

    dets, kept = ops.nms(boxes, scores, 0.4, offset)

    assert kept.tolist() == expected
    assert torch.equal(dets[:, :4], boxes[kept])


def test_batched_nms_keeps_boxes_of_other_classes():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    scores, classes = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0, 1, 0])
    _, kept = ops.batched_nms(
        boxes, scores, classes, dict(type='nms', iou_threshold=0.5)
    )
    assert kept.tolist() == [0, 1]


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms(method, offset):
    torch.manual_seed(5)
    boxes, scores = random_boxes(60), torch.rand(60)
    left = dict(enumerate(scores.tolist()))
    order, decayed = [], []
    while left:
        best = max(left, key=left.get)
        order.append(best)
        decayed.append(left.pop(best))
        for other in list(left):
            overlap = iou(boxes[best].tolist(), boxes[other].tolist(), offset)
            if method == 'gaussian':
                left[other] *= math.exp(-(overlap**2) / 0.5)
            elif overlap >= 0.3:
                left[other] *= 1 - overlap if method == 'linear' else 0
            if left[other] < 0.05:
                del left[other]

    dets, kept = ops.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)

    assert kept.tolist() == order
    torch.testing.assert_close(dets[:, 4], torch.tensor(decayed))
    assert torch.equal(dets[:, :4], boxes[kept])


def test_soft_nms_without_boxes():
    dets, kept = ops.soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)


def test_nms_match():
    torch.manual_seed(2)
    boxes, scores = random_boxes(50), torch.rand(50)
    left = scores.argsort(descending=True).tolist()
    expected = []
    while left:
        best = left.pop(0)
        group = [
            other
            for other in left
            if iou(boxes[best].tolist(), boxes[other].tolist()) >= 0.3
        ]
        expected.append([best, *group])
        left = [index for index in left if index not in group]

    groups = ops.nms_match(torch.cat([boxes, scores[:, None]], dim=1), 0.3)

    assert [group.tolist() for group in groups] == expected


@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('offset', [0, 1])
def test_bbox_overlaps(mode, aligned, offset):
    torch.manual_seed(1)
    a, b = random_boxes(12), random_boxes(12)
    size = torch.minimum(a[:, None, 2:], b[:, 2:]) - torch.maximum(
        a[:, None, :2], b[:, :2]
    )
    inter = (size + offset).clamp(min=0).prod(-1)
    area_a, area_b = ((x[:, 2:] - x[:, :2] + offset).prod(-1) for x in (a, b))
    total = area_a[:, None].expand(12, 12)
    if mode == 'iou':
        total = total + area_b - inter
    expected = inter / total

    result = ops.bbox_overlaps(a, b, mode, aligned, offset)

    torch.testing.assert_close(
        result, expected.diagonal() if aligned else expected
    )


def bilinear(plane: torch.Tensor, y: float, x: float) -> float:
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = y - top, x - left
    upper = plane[top, left] * (1 - fx) + plane[top, right] * fx
    lower = plane[down, left] * (1 - fx) + plane[down, right] * fx
    return float(upper * (1 - fy) + lower * fy)


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling', [0, 2])
def test_roi_align(aligned, sampling):
    torch.manual_seed(0)
    features = torch.randn(2, 1, 9, 11, dtype=torch.double)
    rois = torch.tensor(
        [[0, 3.3, 2.1, 27.0, 20.4], [1, -6.0, 5.0, 50.0, 33.0]],
        dtype=torch.double,
    )
    expected = torch.zeros(2, 1, 2, 3, dtype=torch.double)
    for k, roi in enumerate(rois.tolist()):
        shift = 0.5 if aligned else 0.0
        x1, y1, x2, y2 = (value * 0.25 - shift for value in roi[1:])
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        rows = sampling or math.ceil(height / 2)
        cols = sampling or math.ceil(width / 3)
        for py in range(2):
            for px in range(3):
                samples = [
                    bilinear(
                        features[int(roi[0]), 0],
                        y1 + (py + (iy + 0.5) / rows) * height / 2,
                        x1 + (px + (ix + 0.5) / cols) * width / 3,
                    )
                    for iy in range(rows)
                    for ix in range(cols)
                ]
                expected[k, 0, py, px] = sum(samples) / len(samples)

    def pool(features):
        return ops.roi_align(
            features, rois, (2, 3), 0.25, sampling, 'avg', aligned
        )

    torch.testing.assert_close(pool(features), expected)
    assert gradcheck(pool, features.requires_grad_())


@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_of_the_largest_sample(ratio, aligned):
    torch.manual_seed(0)
    features = torch.randn(2, 3, 9, 11, dtype=torch.double)
    rois = torch.cat(
        [torch.tensor([[0], [1], [1]]), random_boxes(3, 8)], 1
    ).double()
    result = ops.roi_align(features, rois, (2, 3), 0.9, ratio, 'max', aligned)
    expected = torch.empty_like(result)
    for k, (image, *box) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (0.9 * side - 0.5 * aligned for side in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        rows = ratio or math.ceil(height / 2)
        cols = ratio or math.ceil(width / 3)
        for py in range(2):
            for px in range(3):
                ys = [y1 + height / 2 * (py + (i + 0.5) / rows)
                      for i in range(rows)]  # fmt: skip
                xs = [x1 + width / 3 * (px + (i + 0.5) / cols)
                      for i in range(cols)]  # fmt: skip
                samples = torch.tensor([
                    [bilinear(plane, y, x) for plane in features[int(image)]]
                    for y in ys for x in xs
                ], dtype=torch.double)  # fmt: skip
                expected[k, :, py, px] = samples.max(0).values
    torch.testing.assert_close(result, expected)
    features.requires_grad_()
    assert gradcheck(
        lambda x: ops.roi_align(x, rois, 2, 0.9, ratio, 'max', aligned),
        features,
        fast_mode=True,
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    bins=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    scale=st.floats(0.1, 1.0),
)
def test_roi_pool(seed, bins, scale):
    torch.manual_seed(seed)
    features = torch.randn(2, 2, 7, 9, dtype=torch.double)
    rois = torch.cat(
        [torch.tensor([[0.0], [1], [1]]), random_boxes(3, 30) - 10], dim=1
    ).double()
    rois[2, 3:] = rois[2, 1:3] - 5  # malformed
    expected = torch.zeros(3, 2, *bins, dtype=torch.double)
    where = torch.zeros_like(features)
    for k, roi in enumerate(rois):
        x1, y1 = (roi[1:3] * scale).tolist()
        x2, y2 = ((roi[3:] + 1) * scale).tolist()
        if x2 <= x1 or y2 <= y1:
            continue
        for py in range(bins[0]):
            for px in range(bins[1]):
                high, wide = (y2 - y1) / bins[0], (x2 - x1) / bins[1]
                top = max(math.floor(py * high + y1), 0)
                left = max(math.floor(px * wide + x1), 0)
                down = min(math.ceil((py + 1) * high + y1), 7)
                right = min(math.ceil((px + 1) * wide + x1), 9)
                if down <= top or right <= left:
                    continue
                for c in range(2):
                    area = features[int(roi[0]), c, top:down, left:right]
                    expected[k, c, py, px] = area.max()
                    at = int(area.argmax())
                    y, x = divmod(at, right - left)
                    where[int(roi[0]), c, top + y, left + x] += 1
    features.requires_grad_()

    pooled = ops.roi_pool(features, rois, bins, scale)
    pooled.sum().backward()

    assert torch.equal(pooled, expected)
    # An argmax of 0 for a malformed box is mmcv's own behaviour.
    where[1, :, 0, 0] += bins[0] * bins[1]
    assert torch.equal(features.grad, where)


def test_roi_pool_in_steps_is_the_same(monkeypatch):
    torch.manual_seed(0)
    features = torch.randn(2, 3, 20, 20)
    rois = torch.cat(
        [torch.randint(0, 2, (9, 1)).float(), random_boxes(9, 15)], dim=1
    )
    expected = ops.roi_pool(features, rois, 3, 1.0)
    monkeypatch.setattr(mmcv_ops, '_POOL_BUDGET', 1)
    assert torch.equal(ops.roi_pool(features, rois, 3, 1.0), expected)


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_sigmoid_focal_loss(reduction):
    torch.manual_seed(0)
    logits = (4 * torch.randn(30, 5)).double().requires_grad_()
    target = torch.randint(0, 6, (30,))  # 5 is background
    onehot = F.one_hot(target, 6)[:, :5].double()
    expected = torchvision.ops.sigmoid_focal_loss(
        logits, onehot, alpha=0.25, gamma=1.5
    )
    scale = {'none': None, 'mean': 30, 'sum': 1}[reduction]
    expected = expected if scale is None else expected.sum() / scale

    loss = ops.sigmoid_focal_loss(logits, target, 1.5, 0.25, None, reduction)

    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    (wanted,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(gradient, wanted)


def test_sigmoid_focal_loss_weights_rows_by_class():
    logits = torch.randn(3, 2, dtype=torch.double, requires_grad=True)
    target, weight = torch.tensor([0, 1, 2]), torch.tensor([3.0, 5]).double()
    plain = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    loss = ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, 'none')
    factors = torch.tensor([3.0, 5, 1]).double()[:, None]
    torch.testing.assert_close(loss, plain * factors)
    assert gradcheck(
        lambda x: ops.sigmoid_focal_loss(x, target, 2.0, 0.25, weight, 'none'),
        logits,
    )


def test_sigmoid_focal_loss_of_extreme_logits_is_finite():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = ops.sigmoid_focal_loss(logits, torch.tensor([1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def sampled_convolution(x, offset, mask, weight, stride, padding, dilation):
    """Deformable convolution by its formula, one group."""
    kernel = weight.shape[-1]
    size = offset.shape[-1]
    result = torch.zeros(len(x), len(weight), size, size, dtype=x.dtype)
    for b, oy, ox in torch.cartesian_prod(
        torch.arange(len(x)), torch.arange(size), torch.arange(size)
    ).tolist():
        for tap in range(kernel**2):
            ky, kx = divmod(tap, kernel)
            dy, dx = offset[b, 2 * tap : 2 * tap + 2, oy, ox].tolist()
            y = oy * stride - padding + ky * dilation + dy
            px = ox * stride - padding + kx * dilation + dx
            if not (-1 < y < x.shape[2] and -1 < px < x.shape[3]):
                continue
            plane = F.pad(x[b], (1, 1, 1, 1))  # zeros beyond the border
            value = torch.tensor(
                [bilinear(p, y + 1, px + 1) for p in plane], dtype=x.dtype
            )
            if mask is not None:
                value = value * mask[b, tap, oy, ox]
            result[b, :, oy, ox] += weight[:, :, ky, kx] @ value
    return result


@pytest.mark.parametrize(
    ('stride', 'padding', 'dilation'), [(1, 1, 1), (2, 0, 1), (1, 2, 2)]
)
@pytest.mark.parametrize('modulated', [False, True])
def test_deformable_convolution(stride, padding, dilation, modulated):
    torch.manual_seed(0)
    x = torch.randn(2, 2, 6, 6, dtype=torch.double)
    size = (6 + 2 * padding - 2 * dilation - 1) // stride + 1
    offset = 1.7 * torch.randn(2, 18, size, size, dtype=torch.double)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.double)
    options = (stride, padding, dilation)
    if modulated:
        mask = torch.rand(2, 9, size, size, dtype=torch.double)
        bias = torch.randn(3, dtype=torch.double)
        result = ops.modulated_deform_conv2d(
            x, offset, mask, weight, bias, *options
        )
        expected = sampled_convolution(x, offset, mask, weight, *options)
        expected = expected + bias[:, None, None]
    else:
        result = ops.deform_conv2d(x, offset, weight, *options)
        expected = sampled_convolution(x, offset, None, weight, *options)
    torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(('groups', 'deform_groups'), [(1, 2), (2, 1)])
def test_gradients_of_deformable_convolution(groups, deform_groups):
    torch.manual_seed(0)
    taps = deform_groups * 9
    x = torch.randn(2, 4, 4, 4, dtype=torch.double, requires_grad=True)
    # Away from whole pixels, where the derivative by the offset jumps.
    offset = (0.2 + 0.5 * torch.rand(2, 2 * taps, 4, 4)).double()
    mask = torch.rand(2, taps, 4, 4).double().requires_grad_()
    weight = torch.randn(4, 4 // groups, 3, 3).double().requires_grad_()
    bias = torch.randn(4).double().requires_grad_()
    offset.requires_grad_()
    options = (1, 1, 1, groups, deform_groups)
    assert gradcheck(
        lambda *args: ops.deform_conv2d(*args, *options),
        (x, offset, weight),
        fast_mode=True,
    )
    assert gradcheck(
        lambda *args: ops.modulated_deform_conv2d(*args, *options),
        (x, offset, mask, weight, bias),
        fast_mode=True,
    )


def test_a_map_of_offsets_larger_than_the_output():
    """DyHead's: the numbers of an image as they stand in memory."""
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 4).double().requires_grad_()
    offset = (0.2 + 0.5 * torch.rand(2, 18, 6, 5)).double().requires_grad_()
    mask = torch.rand(2, 9, 6, 5).double().requires_grad_()
    weight = torch.randn(3, 2, 3, 3).double().requires_grad_()
    read = [
        torch.stack([each.flatten()[: n * 16].view(n, 4, 4) for each in full])
        for full, n in ((offset, 18), (mask, 9))
    ]

    def convolve(x, offset, mask, weight):
        return ops.modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1)

    torch.testing.assert_close(
        convolve(x, offset, mask, weight), convolve(x, *read, weight)
    )
    assert gradcheck(convolve, (x, offset, mask, weight), fast_mode=True)
    for map_ in (offset, mask):
        by_channel = map_.detach().to(memory_format=torch.channels_last)
        by_channel.requires_grad_()
        both = [by_channel if m is map_ else m for m in (offset, mask)]
        convolve(x, *both, weight).sum().backward()
        (wanted,) = torch.autograd.grad(
            convolve(x, offset, mask, weight).sum(), map_
        )
        torch.testing.assert_close(by_channel.grad, wanted)


@pytest.mark.parametrize('bias', [True, False])
def test_modules_train(bias):
    torch.manual_seed(0)
    x = torch.randn(1, 4, 8, 8)
    for layer in (
        ops.DeformConv2dPack(4, 6, 3, padding=1),
        ops.ModulatedDeformConv2dPack(4, 6, 3, padding=1, bias=bias),
    ):
        layer(x).square().mean().backward()
        assert all(p.grad.isfinite().all() for p in layer.parameters())
        # The offsets start at zero: an ordinary convolution, and for the
        # modulated one half of it (the mask starts at sigmoid(0)).
        plain = F.conv2d(x, layer.weight, padding=1)
        factor = 0.5 if isinstance(layer, ops.ModulatedDeformConv2d) else 1
        expected = factor * plain
        if getattr(layer, 'bias', None) is not None:
            expected = expected + layer.bias[:, None, None]
        torch.testing.assert_close(layer(x), expected)


def test_multi_scale_deformable_attention():
    torch.manual_seed(0)
    shapes = torch.tensor([[4, 5], [2, 3]])
    value = torch.randn(2, 26, 2, 3, dtype=torch.double, requires_grad=True)
    places = torch.rand(2, 4, 2, 2, 2, 2, dtype=torch.double)
    weights = torch.rand(2, 4, 2, 2, 2, dtype=torch.double)
    places.requires_grad_()
    weights.requires_grad_()

    def attend(value, places, weights):
        return MultiScaleDeformableAttnFunction.apply(
            value, shapes, torch.tensor([0, 20]), places, weights, 64
        )

    torch.testing.assert_close(
        attend(value, places, weights),
        multi_scale_deformable_attn_pytorch(value, shapes, places, weights),
    )
    assert gradcheck(attend, (value, places, weights), fast_mode=True)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_dtype(dtype):
    torch.manual_seed(0)
    features = torch.randn(1, 4, 12, 12)
    rois = torch.tensor([[0.0, 1, 1, 9, 10]])
    half = features.to(dtype).requires_grad_()
    tolerance = dict(atol=0.02, rtol=0.02)

    pooled = ops.roi_align(half, rois, 3)
    pooled.float().sum().backward()

    assert pooled.dtype == half.grad.dtype == dtype
    exact = ops.roi_align(features, rois, 3)
    torch.testing.assert_close(pooled.float(), exact, **tolerance)
    layer = ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
    expected = layer(features)
    result = layer.to(dtype)(half)
    assert result.dtype == dtype
    torch.testing.assert_close(result.float(), expected, **tolerance)
    assert len(ops.nms(random_boxes(5).to(dtype), torch.rand(5), 0.5)[1])


def test_autocast():
    torch.manual_seed(0)
    x = torch.randn(1, 4, 12, 12, requires_grad=True)
    layer = ops.DeformConv2dPack(4, 4, 3, padding=1)
    with torch.autocast('cpu', torch.bfloat16):
        out = ops.roi_align(layer(x), torch.tensor([[0.0, 1, 1, 9, 10]]), 3)
    out.float().sum().backward()
    assert x.grad.dtype == torch.float32
    assert x.grad.abs().sum() > 0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda_gives_what_cpu_gives():
    torch.manual_seed(0)
    x = torch.randn(2, 4, 16, 16)
    rois = torch.cat(
        [torch.randint(0, 2, (8, 1)).float(), random_boxes(8, 10)], dim=1
    )
    layer = ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
    boxes, scores = random_boxes(200), torch.rand(200)
    results = []
    for device in ('cpu', 'cuda'):
        leaf = x.detach().to(device).requires_grad_()
        hidden = layer.to(device)(leaf)
        out = ops.roi_align(hidden, rois.to(device), 3).sum()
        out = out + ops.roi_pool(hidden, rois.to(device), 3).sum()
        out.backward()
        kept = ops.nms(boxes.to(device), scores.to(device), 0.5)[1]
        results.append((out.cpu(), leaf.grad.cpu(), kept.cpu()))
    for cpu, cuda in zip(*results, strict=True):
        torch.testing.assert_close(cpu, cuda, atol=1e-4, rtol=1e-4)


def test_an_op_we_do_not_have_names_itself_and_the_remedy():
    with pytest.raises(NotImplementedError, match=r'nms_quadri.*compiled'):
        mmcv_ops.nms_quadri()
    assert not hasattr(mmcv_ops, '__no_such_thing__')


def test_signatures_are_those_of_mmcv():
    source = Path(mmcv.__file__).with_name('ops')
    source = source / 'csrc' / 'pytorch' / 'pybind.cpp'
    if not source.is_file():
        pytest.skip('this mmcv does not ship its sources')
    definitions = re.findall(
        r'm\.def\(\s*"(\w+)"(.*?)\);', source.read_text(), re.S
    )
    arguments = {
        name: re.findall(r'py::arg\("(\w+)"\)', rest)
        for name, rest in definitions
    }
    ours = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(mmcv_ops).items()
        if inspect.isfunction(function) and not name.startswith('_')
    }
    assert len(ours) > 15
    for name, names in ours.items():
        assert names == arguments[name], name
