"""Ops of mmcv's compiled extension that torchvision has no kernel for.

Plain torch, on CPU and CUDA: as :mod:`mmuniformer.compat.mmcv_ops`, which
takes them in, has them. Each is a function of tensors by its definition; what
mmcv calls writes its values, or the gradients that autograd finds, into
tensors of the caller.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def compute(tensor: Tensor) -> Tensor:
    """The tensor in a dtype that every kernel takes."""
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.float()


def gradients(
    function: Callable[..., Tensor], grad_output: Tensor, *tensors: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of a function by its tensors; it is run again for them."""
    leaves = [compute(t).detach().requires_grad_() for t in tensors]
    with torch.enable_grad():
        output = function(*leaves)
    return torch.autograd.grad(output, leaves, grad_output.to(output.dtype))


# ---- PSANet


def _psamask(mask: Tensor, psa_type: int, h_mask: int, w_mask: int) -> Tensor:
    """Attention (N, H * W, H, W) between all positions of a map.

    Args:
        mask: Attention of each position to those around it
            (N, h_mask * w_mask, H, W), itself in the middle.
        psa_type: 0 for what a position collects (its own place is in the last
            two dimensions), 1 for what it distributes (in dimension 1).
    """
    height, width = mask.shape[2:]
    ys = torch.arange(height, device=mask.device)
    xs = torch.arange(width, device=mask.device)
    # Row and column of the mask by the place looked at and the own place.
    rows = ys[:, None] - ys[None] + (h_mask - 1) // 2
    cols = xs[:, None] - xs[None] + (w_mask - 1) // 2
    inside = ((rows >= 0) & (rows < h_mask))[:, None, :, None] & (
        (cols >= 0) & (cols < w_mask)
    )[None, :, None]
    index = rows.clamp(0, h_mask - 1)[:, None, :, None] * w_mask
    index = index + cols.clamp(0, w_mask - 1)[None, :, None]
    index = index.flatten(0, 1).expand(len(mask), -1, -1, -1)
    collected = mask.gather(1, index) * inside.flatten(0, 1)
    if psa_type == 0:
        return collected
    return collected.flatten(2).transpose(1, 2).unflatten(2, (height, width))


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Point-wise spatial attention; see :func:`_psamask`."""
    output.copy_(_psamask(input, psa_type, h_mask, w_mask))


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Gradient of :func:`psamask_forward` by ``input``."""

    def attention(mask: Tensor) -> Tensor:
        return _psamask(mask, psa_type, h_mask, w_mask)

    # It is linear: any mask has this gradient.
    grad_input.copy_(gradients(attention, grad_output, grad_input)[0])


# ---- Masked convolution


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Patches (C * kernel_h * kernel_w, K) around K places of one map."""
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    rows = torch.arange(kernel_h, device=im.device)[:, None, None]
    cols = torch.arange(kernel_w, device=im.device)[:, None]
    patches = padded[:, rows + mask_h_idx, cols + mask_w_idx]
    col.copy_(patches.flatten(0, 2))


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Puts K columns (C, K) at their places in a map (1, C, H, W)."""
    im[0, :, mask_h_idx, mask_w_idx] = col


# ---- CARAFE


def _carafe_parts(
    features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int
) -> tuple[Tensor, Tensor]:
    """Padded features (N, G, C / G, h + k - 1, w + k - 1), and the masks.

    The masks are (N, G, k * k, h, scale, w, scale): a pixel of the features
    has scale x scale pixels of the output.
    """
    height, width = features.shape[2:]
    padded = F.pad(compute(features), (kernel // 2,) * 4)
    masks = compute(masks).unflatten(1, (groups, kernel * kernel))
    masks = masks.unflatten(4, (width, scale)).unflatten(3, (height, scale))
    return padded.unflatten(1, (groups, -1)), masks


def _carafe_taps(
    padded: Tensor, masks: Tensor, kernel: int
) -> list[tuple[tuple[slice, ...], int]]:
    height, width = masks.shape[3], masks.shape[5]
    return [
        ((..., slice(i, i + height), slice(j, j + width)), i * kernel + j)
        for i in range(kernel)
        for j in range(kernel)
    ]


def _carafe_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel: int,
    groups: int,
    scale: int,
) -> None:
    padded, weights = _carafe_parts(features, masks, kernel, groups, scale)
    total = 0
    for place, tap in _carafe_taps(padded, weights, kernel):
        seen = padded[place][..., :, None, :, None]
        total = total + seen * weights[:, :, tap, None]
    output.copy_(total.reshape(output.shape))


def _carafe_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel: int,
    groups: int,
    scale: int,
) -> None:
    padded, weights = _carafe_parts(features, masks, kernel, groups, scale)
    height, width = features.shape[2:]
    grad = compute(grad_output).unflatten(1, (groups, -1))
    grad = grad.unflatten(4, (width, scale)).unflatten(3, (height, scale))
    grad_padded = torch.zeros_like(padded)
    grad_weights = torch.zeros_like(weights)
    for place, tap in _carafe_taps(padded, weights, kernel):
        moved = grad * weights[:, :, tap, None]
        grad_padded[place] += moved.sum((4, 6))
        seen = padded[place][..., :, None, :, None]
        grad_weights[:, :, tap] = (grad * seen).sum(2)
    half = kernel // 2
    inner = (..., slice(half, half + height), slice(half, half + width))
    grad_input.copy_(grad_padded[inner].flatten(1, 2))
    grad_masks.copy_(grad_weights.reshape(masks.shape))


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Each pixel of a larger map: a weighted sum around its own.

    Args:
        features: (N, C, h, w).
        masks: Weights (N, group_size * kernel_size ** 2, scale_factor * h,
            scale_factor * w), for C / group_size channels each.
        rfeatures: Gets what :func:`carafe_backward` is given of ``features``.
        routput: Of no use here.
        rmasks: Of no use here.
        output: (N, C, scale_factor * h, scale_factor * w).
        kernel_size: Side of the neighbourhood.
        group_size: Groups of channels.
        scale_factor: How much larger the map becomes.
    """
    rfeatures.copy_(features)
    shape = (kernel_size, group_size, scale_factor)
    _carafe_forward(features, masks, output, *shape)


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of :func:`carafe_forward`."""
    shape = (kernel_size, group_size, scale_factor)
    _carafe_backward(
        top_grad, rfeatures, masks, bottom_grad, mask_grad, *shape
    )


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """:func:`carafe_forward`, which mmcv has twice."""
    shape = (kernel_size, group_size, scale_factor)
    _carafe_forward(features, masks, output, *shape)


def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Gradients of :func:`carafe_naive_forward`."""
    shape = (kernel_size, group_size, scale_factor)
    _carafe_backward(top_grad, features, masks, bottom_grad, mask_grad, *shape)


# ---- Temporal interlacing


def _shifted(input: Tensor, shift: Tensor) -> Tensor:
    """Frames of groups of channels, each moved by its number of frames.

    Args:
        input: (N, T, C, H * W).
        shift: Frames (N, G) to later times; what leaves the clip is lost.
    """
    total, groups = input.shape[1], shift.shape[1]
    parts = input.unflatten(2, (groups, -1))
    times = torch.arange(total, device=input.device)[:, None]
    # Where a frame comes from (N, T, G).
    origin = times - shift[:, None].long()
    inside = (origin >= 0) & (origin < total)
    index = origin.clamp(0, total - 1)[..., None, None].expand_as(parts)
    moved = parts.gather(1, index) * inside[..., None, None]
    return moved.flatten(2, 3)


def tin_shift_forward(input: Tensor, shift: Tensor, output: Tensor) -> None:
    """Temporal interlacing; see :func:`_shifted`."""
    output.copy_(_shifted(input, shift))


def tin_shift_backward(
    grad_output: Tensor, shift: Tensor, grad_input: Tensor
) -> None:
    """Gradient of :func:`tin_shift_forward` by ``input``."""
    grad_input.copy_(_shifted(grad_output, -shift))


# ---- Softmax focal loss


def _of_class(values: Tensor, target: Tensor) -> Tensor:
    """The value (N,) of each row's class; rows of class -1 have any."""
    return values.gather(1, target.clamp(min=0)[:, None])[:, 0]


def _row_weights(weight: Tensor, target: Tensor, alpha: float) -> Tensor:
    factor = weight[target.clamp(min=0)] if weight.numel() else 1.0
    return alpha * factor * (target >= 0)


def softmax_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Focal loss (N,) of softmaxes ``input`` (N, C)."""
    p = _of_class(compute(input), target)
    tiny = torch.finfo(torch.float32).tiny
    loss = -((1 - p) ** gamma) * p.clamp(min=tiny).log()
    output.copy_(loss * _row_weights(weight, target, alpha))


def softmax_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative (N, C) of the loss by the logits."""
    softmax = compute(input)
    p = _of_class(softmax, target)
    tiny = torch.finfo(torch.float32).tiny
    slope = gamma * (1 - p) ** (gamma - 1) * p * p.clamp(min=tiny).log()
    slope = slope - (1 - p) ** gamma
    # Where the class is certain and gamma below 1, zero times infinity.
    slope = slope.nan_to_num(0.0) * _row_weights(weight, target, alpha)
    hit = F.one_hot(target.clamp(min=0), softmax.shape[1])
    grad_input.copy_(slope[:, None] * (hit - softmax))


# ---- Deformable pooling of regions


def _clamped(position: Tensor, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels below and above a position, and its distance from the former.

    Within a pixel of the map the border goes on; the distance keeps the
    gradient of the position there, as mmcv's kernel does.
    """
    kept = position.detach().clamp(0, limit - 1)
    position = position + (kept - position.detach())
    low = kept.floor().long()
    return low, (low + 1).clamp(max=limit - 1), position - low


def _bilinear(
    features: Tensor, images: Tensor, y: Tensor, x: Tensor
) -> Tensor:
    """Values (M, C) of maps (B, C, H, W) at M positions; 0 far outside."""
    height, width = features.shape[2:]
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    top, bottom, down = _clamped(y, height)
    left, right, along = _clamped(x, width)
    down, along = down[:, None], along[:, None]
    channels_last = features.movedim(1, -1)
    upper = channels_last[images, top, left] * (1 - along)
    upper = upper + channels_last[images, top, right] * along
    lower = channels_last[images, bottom, left] * (1 - along)
    lower = lower + channels_last[images, bottom, right] * along
    return (upper * (1 - down) + lower * down) * inside[:, None]


def _deform_roi_pool(
    input: Tensor,
    offset: Tensor | None,
    rois: Tensor,
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Tensor:
    """Means (K, C, *bins) over bins, each moved by a share of its region."""
    pooled = []
    corners = rois[:, 1:].to(input.dtype) * spatial_scale - 0.5
    steps = [torch.arange(n, device=input.device) for n in bins]
    for k, (x1, y1, x2, y2) in enumerate(corners):
        sizes = (y2 - y1, x2 - x1)
        places = []
        for axis, start in enumerate((y1, x1)):
            size = sizes[axis] / bins[axis]
            grid = sampling_ratio or max(int(size.ceil()), 1)
            within = torch.arange(grid, device=input.device) + 0.5
            shape = (-1, 1, 1, 1) if axis == 0 else (1, -1, 1, 1)
            begin = (start + steps[axis] * size).reshape(shape)
            if offset is not None:
                # Along x comes first.
                moved = offset[k, 1 - axis, :, :, None, None]
                begin = begin + gamma * sizes[axis] * moved
            inner = (within * size / grid).reshape(
                (1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1)
            )
            places.append(begin + inner)
        y, x = torch.broadcast_tensors(*places)
        image = rois[k, 0].long().expand(y.numel())
        values = _bilinear(input, image, y.flatten(), x.flatten())
        values = values.reshape(*bins, y.shape[2] * y.shape[3], -1).mean(2)
        pooled.append(values.movedim(-1, 0))
    if not pooled:
        return input.new_zeros(0, input.shape[1], *bins)
    return torch.stack(pooled)


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Deformable RoIPool to ``output`` (K, C, pooled_height, pooled_width).

    ``offset`` (K, 2, pooled_height, pooled_width) moves the bins, times
    ``gamma`` and the size of the region; it may be empty.
    """
    data = compute(input)
    moved = offset.to(data.dtype) if offset.numel() else None
    shape = (pooled_height, pooled_width)
    options = (spatial_scale, sampling_ratio, gamma)
    output.copy_(_deform_roi_pool(data, moved, rois, shape, *options))


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Gradients of :func:`deform_roi_pool_forward`."""
    if not len(rois):
        return

    def pool(data: Tensor, moved: Tensor | None = None) -> Tensor:
        shape = (pooled_height, pooled_width)
        options = (spatial_scale, sampling_ratio, gamma)
        return _deform_roi_pool(data, moved, rois, shape, *options)

    tensors = [input, offset] if offset.numel() else [input]
    found = gradients(pool, grad_output, *tensors)
    grad_input.copy_(found[0])
    if offset.numel():
        grad_offset.copy_(found[1])


# ---- Rotated boxes


def _corners(boxes: Tensor) -> Tensor:
    """Corners (..., 4, 2) of boxes (..., 5): x, y, w, h, angle in radians."""
    signs = boxes.new_tensor([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    around = signs / 2 * boxes[..., None, 2:4]
    return _turned(around, boxes[..., None, 4]) + boxes[..., None, :2]


def _turned(points: Tensor, angle: Tensor) -> Tensor:
    """Points (..., 2), turned by angles (...) from x to y."""
    x, y = points.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)


def _shares_within(start: Tensor, way: Tensor, box: Tensor) -> Tensor:
    """Which share (..., 4) of each edge lies in a box (..., 5)."""
    angle = -box[..., None, 4]
    start = _turned(start - box[..., None, :2], angle)
    way = _turned(way, angle)
    half = box[..., None, 2:4] / 2
    # No division by zero: an edge that is parallel crosses far away.
    way = torch.where(way.abs() < 1e-30, 1e-30, way)
    ends = torch.stack([(-half - start) / way, (half - start) / way])
    enter = ends.amin(0).amax(-1).clamp(min=0)
    leave = ends.amax(0).amin(-1).clamp(max=1)
    return (leave - enter).clamp(min=0)


def _rotated_intersections(one: Tensor, other: Tensor) -> Tensor:
    """Areas (...) that boxes (..., 5) have in common, in double.

    By Green's theorem along the edges of each that lie in the other one. The
    first is taken a billionth smaller, so that no edge is one of both.
    """
    one, other = torch.broadcast_tensors(one, other)
    one = one * one.new_tensor([1, 1, 1 - 1e-9, 1 - 1e-9, 1])
    area = torch.zeros_like(one[..., 0])
    for box, window in ((one, other), (other, one)):
        start = _corners(box)
        way = start.roll(-1, dims=-2) - start
        share = _shares_within(start, way, window)
        # Of any origin that both share; a near one is the most exact.
        x, y = (start - one[..., None, :2]).unbind(-1)
        area += ((x * way[..., 1] - y * way[..., 0]) * share).sum(-1) / 2
    return area.clamp(min=0)


def _rotated_overlaps(one: Tensor, other: Tensor, of_first: bool) -> Tensor:
    """Areas in common by those of the union, or of the first boxes."""
    one, other = one.double(), other.double()
    inter = _rotated_intersections(one, other)
    first, second = one[..., 2:4].prod(-1), other[..., 2:4].prod(-1)
    whole = first if of_first else first + second - inter
    empty = (first < 1e-14) | (second < 1e-14)
    return torch.where(empty, 0, inter / whole)


def box_iou_rotated(
    boxes1: Tensor,
    boxes2: Tensor,
    ious: Tensor,
    mode_flag: int,
    aligned: bool,
) -> None:
    """Overlaps of rotated boxes (N, 5) and (M, 5): x, y, w, h, radians.

    Args:
        ious: (N,) if ``aligned``, (N * M,) otherwise.
        mode_flag: 0 for the share of the union, 1 for that of ``boxes1``.
        aligned: Whether the boxes are pairs.
    """
    if aligned:
        ious.copy_(_rotated_overlaps(boxes1, boxes2, mode_flag == 1))
        return
    # A row at a time: every pair takes some hundred numbers.
    for row, box in zip(
        ious.view(len(boxes1), len(boxes2)), boxes1, strict=True
    ):
        row.copy_(_rotated_overlaps(box, boxes2, mode_flag == 1))


def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices (K,) of the rotated boxes kept, highest score first.

    Args:
        dets: (N, 5), x, y, w, h and radians; with ``multi_label`` (N, 6), the
            label last: a box gives way to those of its label alone.
        order: (N,), the indices by score.
    """
    kept, left = [], order
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        near = _rotated_overlaps(dets[best, :5], dets[left, :5], False)
        gone = near >= iou_threshold
        if multi_label:
            gone &= dets[left, 5] == dets[best, 5]
        left = left[~gone]
    return torch.stack(kept) if kept else order
