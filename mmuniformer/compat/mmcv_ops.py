"""The ops of mmcv's compiled extension, on torchvision's kernels.

This file is what ``import mmcv._ext`` finds where mmcv has no compiled one
(see :mod:`mmuniformer.compat.mmcv_ext`). Names, argument names and the habit
of writing results into tensors of the caller are those of
``mmcv/ops/csrc/pytorch/pybind.cpp``; torchvision has kernels for CPU and CUDA,
the rest is plain torch. ``docs/compat.md`` has the measured difference to a
compiled mmcv for every op.

16-bit tensors are computed in float32: torchvision's CPU kernels do not take
them, and box coordinates lose pixels in them.

Arguments of the same name mean the same in every op:

    boxes, bboxes1, bboxes2 (Tensor): (N, 4), corners x1, y1, x2, y2.
    scores (Tensor): (N,).
    dets (Tensor): (N, 5), corners and score.
    iou_threshold (float): Overlap with a better box from which on a box gives
        way; in ``nms`` it has to be larger.
    offset (int): Of boxes, 0 or 1: added to every width and height.
    rois (Tensor): (K, 5), index of the image and corners.
    spatial_scale (float): Pixels of the input for one unit of ``rois``.
    input (Tensor): Feature maps (B, C, H, W); of a loss, logits (N, C).
    target (Tensor): (N,), class of every row; C is the background.
    weight (Tensor): Of a convolution (O, C / group, kH, kW); of a loss, a
        number for each class, or empty.
    offset, mask (Tensor): Of a deformable convolution, where its taps are
        moved to (B, 2 * G * kH * kW, h, w), G being ``deformable_group``, and
        what they are multiplied by (B, G * kH * kW, h, w).
    output, ious, grad_* (Tensor): Written in place; of a backward, gradients
        of the argument of that name, where ``grad_output`` is given.
    columns, ones, im2col_step, value_level_start_index: Of no use here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

from mmuniformer.compat.mmcv_torch_ops import (  # noqa: F401
    box_iou_rotated,
    carafe_backward,
    carafe_forward,
    carafe_naive_backward,
    carafe_naive_forward,
    deform_roi_pool_backward,
    deform_roi_pool_forward,
    masked_col2im_forward,
    masked_im2col_forward,
    nms_rotated,
    psamask_backward,
    psamask_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
    tin_shift_backward,
    tin_shift_forward,
)
from mmuniformer.compat.mmcv_torch_ops import (
    compute as _compute,
)

_KERNELS = torch.ops.torchvision


def get_compiler_version() -> str:
    """What stands in for the compiler of a compiled mmcv."""
    return f'torchvision {torchvision.__version__}'


def get_compiling_cuda_version() -> str:
    """CUDA version of the kernels, which are those of torch's build."""
    return torch.version.cuda or 'not available'


# ---- Boxes


def _areas(boxes: Tensor, offset: int) -> Tensor:
    """Areas of boxes (..., 4)."""
    return (boxes[..., 2:] - boxes[..., :2] + offset).prod(dim=-1)


def _intersections(one: Tensor, other: Tensor, offset: int) -> Tensor:
    """Areas that boxes (..., 4) have in common."""
    size = torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(
        one[..., :2], other[..., :2]
    )
    return (size + offset).clamp(min=0).prod(dim=-1)


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Indices (K,) of the boxes kept, highest score first."""
    boxes = _compute(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return _KERNELS.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def _overlaps(one: Tensor, others: Tensor, offset: int) -> Tensor:
    """IoU (N,) of one box (4,) with others (N, 4)."""
    inter = _intersections(one, others, offset)
    return inter / (_areas(one, offset) + _areas(others, offset) - inter)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS: indices (K,) of the boxes kept, in the order of ``dets``.

    Writes boxes and decayed scores to the first rows of ``dets``. From
    ``iou_threshold`` on a score decays to zero (``method`` 0) or linearly
    with the overlap (1); for any overlap in a gaussian of width ``sigma``
    (2). Boxes that decay below ``min_score`` are dropped.
    """
    left = torch.arange(len(boxes), device=boxes.device)
    scores = scores.clone()
    kept = []
    while len(left):
        best = scores[left].argmax()
        index = left[best]
        dets[len(kept), :4] = boxes[index]
        dets[len(kept), 4] = scores[index]
        kept.append(index)
        left = torch.cat([left[:best], left[best + 1 :]])
        overlap = _overlaps(boxes[index], boxes[left], offset)
        if method == 2:
            weight = torch.exp(-(overlap**2) / sigma)
        else:
            decayed = 1 - overlap if method == 1 else torch.zeros_like(overlap)
            weight = torch.where(overlap >= iou_threshold, decayed, 1)
        scores[left] *= weight
        left = left[scores[left] >= min_score]
    return torch.stack(kept) if kept else left


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes: each box kept, then those it suppressed, by score."""
    left = dets[:, 4].argsort(descending=True)
    groups = []
    while len(left):
        best, left = left[0], left[1:]
        matched = _overlaps(dets[best, :4], dets[left, :4], 0) >= iou_threshold
        groups.append([int(best), *left[matched].tolist()])
        left = left[~matched]
    return groups


def bbox_overlaps(
    bboxes1: Tensor,
    bboxes2: Tensor,
    ious: Tensor,
    mode: int,
    aligned: bool,
    offset: int,
) -> None:
    """Overlaps (M, N) of M and N boxes, or (M,) if ``aligned`` row by row.

    Over the union (``mode`` 0) or over the area of the first box (1).
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]
    inter = _intersections(bboxes1, bboxes2, offset)
    area = _areas(bboxes1, offset)
    if mode == 0:
        area = area - inter + _areas(bboxes2, offset)
    ious.copy_(inter / area)


# ---- Regions of interest


def _by_grid(
    rois: Tensor,
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> list[tuple[Tensor, tuple[int, int]]]:
    """Regions by the number of samples in a bin, down and across."""
    if sampling_ratio > 0:
        every = torch.arange(len(rois), device=rois.device)
        return [(every, (sampling_ratio, sampling_ratio))]
    sizes = (rois[:, [4, 3]] - rois[:, [2, 1]]) * spatial_scale
    if not aligned:
        sizes = sizes.clamp(min=1)
    grids = (sizes / sizes.new_tensor(bins)).ceil().long().clamp(min=1)
    kinds, which = grids.unique(dim=0, return_inverse=True)
    return [
        ((which == i).nonzero()[:, 0], tuple(grid))
        for i, grid in enumerate(kinds.tolist())
    ]


def _max_align(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    sample: Tensor,
    scale: float,
    ratio: int,
    aligned: bool,
) -> None:
    """Largest sample of each bin: a bin of averages has one sample each.

    ``sample`` gets the number of the largest one, row by row in its bin.
    """
    bins = tuple(output.shape[2:])
    for which, (down, across) in _by_grid(rois, bins, scale, ratio, aligned):
        fine = (bins[0] * down, bins[1] * across)
        values = _KERNELS.roi_align(
            features, rois[which], scale, *fine, 1, aligned
        )
        values = values.unflatten(3, (bins[1], across))
        values = values.unflatten(2, (bins[0], down))
        best, place = values.transpose(3, 4).flatten(4).max(4)
        output[which] = best.to(output.dtype)
        sample[which] = place.to(sample.dtype)


def _max_align_backward(
    grad: Tensor,
    rois: Tensor,
    sample: Tensor,
    grad_input: Tensor,
    scale: float,
    ratio: int,
    aligned: bool,
) -> None:
    bins = tuple(grad.shape[2:])
    for which, (down, across) in _by_grid(rois, bins, scale, ratio, aligned):
        fine = (bins[0] * down, bins[1] * across)
        values = grad.new_zeros(*grad[which].shape, down * across)
        place = sample[which].long()[..., None]
        values.scatter_(4, place, grad[which][..., None])
        values = values.unflatten(4, (down, across)).transpose(3, 4)
        part = _KERNELS._roi_align_backward(
            values.reshape(*values.shape[:2], *fine),
            rois[which],
            scale,
            *fine,
            *grad_input.shape,
            1,
            aligned,
        )
        grad_input += part.to(grad_input.dtype)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign to ``output`` (K, C, aligned_height, aligned_width).

    The mean of a bin's samples, or with ``pool_mode`` 0 their maximum; then
    ``argmax_y`` gets which sample that is, for the backward.
    """
    features = _compute(input)
    if pool_mode == 0:
        boxes = rois.to(features.dtype)
        options = (spatial_scale, sampling_ratio, aligned)
        _max_align(features, boxes, output, argmax_y, *options)
        return
    pooled = _KERNELS.roi_align(
        features,
        rois.to(features.dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        sampling_ratio,
        aligned,
    )
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward` by ``input``."""
    grad = _compute(grad_output)
    if pool_mode == 0:
        boxes = rois.to(grad.dtype)
        options = (spatial_scale, sampling_ratio, aligned)
        _max_align_backward(grad, boxes, argmax_y, grad_input, *options)
        return
    grad_features = _KERNELS._roi_align_backward(
        grad,
        rois.to(grad.dtype),
        spatial_scale,
        aligned_height,
        aligned_width,
        *grad_input.shape,
        sampling_ratio,
        aligned,
    )
    grad_input.copy_(grad_features)


# Elements that one step of roi_pool gathers: 64 MiB of float32.
_POOL_BUDGET = 2**24


def _pool_bins(
    start: Tensor, size: Tensor, bins: int, limit: int
) -> tuple[Tensor, Tensor]:
    """Pixels of every bin along one axis, and which bins are empty.

    Boxes start at ``start`` (K,) and have the extent ``size`` (K,), in pixels
    of an axis of ``limit`` pixels. Bins differ in width: the positions are
    (K, bins, widest bin), and beyond the end of a bin its last pixel is
    repeated, which changes no maximum. The second result is (K, bins).
    """
    edges = torch.arange(bins + 1, device=start.device, dtype=start.dtype)
    width = (size / bins)[:, None]
    low = (edges[:-1] * width + start[:, None]).floor().clamp(0, limit).long()
    high = (edges[1:] * width + start[:, None]).ceil().clamp(0, limit).long()
    widest = int((high - low).max().clamp(min=1)) if low.numel() else 1
    steps = torch.arange(widest, device=start.device)
    last = (high - 1).clamp(min=0)
    positions = torch.minimum(low[..., None] + steps, last[..., None])
    return positions, high <= low


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """RoIPool to ``output`` (K, C, pooled_height, pooled_width).

    torchvision rounds boxes to whole pixels before it divides them into bins;
    mmcv rounds the bins. This is mmcv's rule, in plain torch. ``argmax``
    (int32, as large as ``output``) gets the position y * W + x of every
    maximum; of an empty bin ``output`` is 0 and ``argmax`` -1.
    """
    channels, height, width = input.shape[1:]
    rois = _compute(rois)
    start = rois[:, 1:3] * spatial_scale
    size = (rois[:, 3:5] + 1) * spatial_scale - start
    broken = (size <= 0).any(dim=1)[:, None, None]
    ys, no_rows = _pool_bins(start[:, 1], size[:, 1], pooled_height, height)
    xs, no_cols = _pool_bins(start[:, 0], size[:, 0], pooled_width, width)
    empty = no_rows[:, :, None] | no_cols[:, None, :]
    flat = ys[:, :, None, :, None] * width + xs[:, None, :, None, :]
    flat = flat.flatten(3)
    features = input.flatten(2)
    images = rois[:, 0].long()
    step = max(1, _POOL_BUDGET // (channels * flat[:1].numel() or 1))
    for begin in range(0, len(rois), step):
        part = slice(begin, begin + step)
        positions = flat[part]
        picked = features[
            images[part].view(-1, 1, 1, 1, 1),
            torch.arange(channels, device=input.device).view(1, -1, 1, 1, 1),
            positions[:, None],
        ]
        values, which = picked.max(dim=-1)
        where = positions[:, None].expand_as(picked)
        where = where.gather(-1, which[..., None])[..., 0]
        nothing = empty[part][:, None]
        invalid = broken[part][:, None]
        output[part] = values.masked_fill(nothing | invalid, 0)
        # A malformed box is left alone by mmcv's kernel: its argmax stays 0.
        argmax[part] = (
            where.masked_fill(nothing, -1).masked_fill(invalid, 0).int()
        )


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Gradient of :func:`roi_pool_forward`, added to ``grad_input``."""
    batch, channels, height, width = grad_input.shape
    planes = rois[:, 0].long()[:, None] * channels
    planes = planes + torch.arange(channels, device=rois.device)
    index = planes[:, :, None, None] * (height * width) + argmax.long()
    hit = argmax >= 0
    total = grad_output.new_zeros(
        batch * channels * height * width, dtype=_compute(grad_output).dtype
    )
    total.index_add_(0, index[hit], grad_output[hit].to(total.dtype))
    grad_input += total.view_as(grad_input).to(grad_input.dtype)


# ---- Losses


def _weighted(loss: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    """Rows times the weight of their class; 1 for the background.

    mmcv reads behind the end of ``weight`` for a background row.
    """
    if not weight.numel():
        return loss
    return loss * torch.cat([weight, weight.new_ones(1)])[target][:, None]


def _probabilities(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Sigmoids (N, C) of logits, and which of them are of a row's class."""
    classes = torch.arange(input.size(1), device=input.device)
    return _compute(input).sigmoid(), target[:, None] == classes


def _log(probability: Tensor) -> Tensor:
    tiny = torch.finfo(torch.float32).tiny
    return probability.clamp(min=tiny).log()


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Focal loss (N, C) of sigmoids."""
    p, positive = _probabilities(input, target)
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * _log(p),
        -(1 - alpha) * p**gamma * _log(1 - p),
    )
    output.copy_(_weighted(loss, weight, target))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative (N, C) of the loss by the logits."""
    p, positive = _probabilities(input, target)
    grad = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * (1 - p - gamma * p * _log(p)),
        -(1 - alpha) * p**gamma * (gamma * (1 - p) * _log(1 - p) - p),
    )
    grad_input.copy_(_weighted(grad, weight, target))


# ---- Deformable convolution


def _deform_arguments(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> tuple[Tensor | int | bool, ...]:
    """What torchvision's kernels are called with, forward and backward."""
    data = _compute(input)
    return (
        data,
        weight.to(data.dtype),
        offset.to(data.dtype),
        data.new_zeros(len(data), 1) if mask is None else mask.to(data.dtype),
        data.new_zeros(len(weight)) if bias is None else bias.to(data.dtype),
        *geometry,
        mask is not None,
    )


def _deform_forward(*operands: Tensor | tuple[int, ...] | None) -> Tensor:
    return _KERNELS.deform_conv2d(*_deform_arguments(*operands))


def _deform_backward(
    grad_output: Tensor, *operands: Tensor | tuple[int, ...] | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input, weight, offset, mask and bias."""
    arguments = _deform_arguments(*operands)
    return _KERNELS._deform_conv2d_backward(
        grad_output.to(arguments[0].dtype), *arguments
    )


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Deformable convolution v1."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    geometry = (*geometry, group, deformable_group)
    output.copy_(_deform_forward(input, weight, offset, None, None, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Gradients of :func:`deform_conv_forward` by ``input``, ``offset``."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    geometry = (*geometry, group, deformable_group)
    grads = _deform_backward(
        gradOutput, input, weight, offset, None, None, geometry
    )
    gradInput.copy_(grads[0])
    gradOffset.copy_(grads[2])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Gradient of :func:`deform_conv_forward` by ``weight``.

    Times ``scale``, and added to ``gradWeight``.
    """
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    geometry = (*geometry, group, deformable_group)
    # The value of the weight does not enter its own gradient.
    grads = _deform_backward(
        gradOutput, input, gradWeight, offset, None, None, geometry
    )
    gradWeight.add_(grads[1].to(gradWeight.dtype), alpha=scale)


def _as_read(offset: Tensor, size: torch.Size) -> Tensor:
    """What mmcv's kernel reads of a map of offsets that is too large.

    It takes the first numbers of each image as if the map had the size of the
    output, as DyHead's pyramids and their published weights have it.
    """
    if offset.shape[2:] == size:
        return offset
    count = offset.shape[1] * size.numel()
    if count > offset[0].numel():
        # torchvision says what is wrong with it.
        return offset
    return offset.flatten(1)[:, :count].unflatten(1, (-1, *size))


def _write_as_read(grad: Tensor, target: Tensor) -> None:
    """Undoes :func:`_as_read`: what was not read has no gradient."""
    if grad.shape != target.shape:
        flat = grad.new_zeros(len(target), target[0].numel())
        flat[:, : grad[0].numel()] = grad.flatten(1)
        grad = flat.view(target.shape)
    target.copy_(grad)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Deformable convolution v2: with a ``mask``."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    geometry = (*geometry, group, deformable_group)
    bias = bias if with_bias else None
    offset = _as_read(offset, output.shape[2:])
    mask = _as_read(mask, output.shape[2:])
    output.copy_(_deform_forward(input, weight, offset, mask, bias, geometry))


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Gradients of :func:`modulated_deform_conv_forward`."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    geometry = (*geometry, group, deformable_group)
    bias = bias if with_bias else None
    size = grad_output.shape[2:]
    offset, mask = _as_read(offset, size), _as_read(mask, size)
    grads = _deform_backward(
        grad_output, input, weight, offset, mask, bias, geometry
    )
    grad_input.copy_(grads[0])
    grad_weight.copy_(grads[1])
    _write_as_read(grads[2], grad_offset)
    _write_as_read(grads[3], grad_mask)
    if with_bias:
        grad_bias.copy_(grads[4])


# ---- Multi-scale deformable attention


def _deformable_attention(
    value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    # One copy of the shapes to the host instead of one per level.
    return multi_scale_deformable_attn_pytorch(
        value, shapes.tolist(), locations, weights
    )


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Output (B, queries, C) of multi-scale deformable attention.

    mmcv's own formula on ``grid_sample``, which it uses on CPU: slower and
    with more memory than the compiled CUDA kernel.
    """
    return _deformable_attention(
        value, value_spatial_shapes, sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Gradients of :func:`ms_deform_attn_forward`, run again for them."""
    leaves = [
        tensor.detach().requires_grad_()
        for tensor in (value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        output = _deformable_attention(
            leaves[0], value_spatial_shapes, *leaves[1:]
        )
        grads = torch.autograd.grad(output, leaves, grad_output)
    grad_value.copy_(grads[0])
    grad_sampling_loc.copy_(grads[1])
    grad_attn_weight.copy_(grads[2])


# ---- Everything else


def __getattr__(name: str) -> Callable:
    """An op that raises when called: mmcv looks all of them up on import."""
    if name.startswith('_'):
        raise AttributeError(name)

    def refuse(*args, **kwargs):
        raise NotImplementedError(
            f"mmcv's compiled op '{name}' is not available: this mmcv has no "
            'compiled extension, and torchvision has no such kernel. Choose '
            'a module that does not use it, or replace mmcv-lite by a '
            'compiled mmcv (docs/compat.md says how it is built)'
        )

    refuse.__name__ = name
    return refuse
