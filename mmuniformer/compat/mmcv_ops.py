"""The ops of mmcv's compiled extension, on torchvision's kernels.

This file is what ``import mmcv._ext`` finds where mmcv has no compiled one
(see :mod:`mmuniformer.compat.mmcv_ext`). Names, argument names and the habit
of writing results into tensors of the caller are those of
``mmcv/ops/csrc/pytorch/pybind.cpp``; torchvision has kernels for CPU and CUDA,
the rest is plain torch. ``docs/compat.md`` has the measured difference to a
compiled mmcv for every op.

16-bit tensors are computed in float32: torchvision's CPU kernels do not take
them, and box coordinates lose pixels in them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

_KERNELS = torch.ops.torchvision


def _compute(tensor: Tensor) -> Tensor:
    """The tensor in a dtype that every kernel takes."""
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.float()


def get_compiler_version() -> str:
    """What stands in for the compiler of a compiled mmcv."""
    return f'torchvision {torchvision.__version__}'


def get_compiling_cuda_version() -> str:
    """CUDA version of the kernels, which are those of torch's build."""
    return torch.version.cuda or 'not available'


# ---- Boxes


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Indices (K,) of the boxes kept, highest score first.

    Args:
        boxes: (N, 4) corners.
        scores: (N,).
        iou_threshold: a box overlapping a better one by more is dropped.
        offset: 0 or 1, added to every width and height.
    """
    boxes = _compute(boxes)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return _KERNELS.nms(boxes, scores.to(boxes.dtype), iou_threshold)


def _overlaps(one: Tensor, others: Tensor, offset: int) -> Tensor:
    """IoU (N,) of one box (4,) with others (N, 4)."""
    size = torch.minimum(one[2:], others[:, 2:]) - torch.maximum(
        one[:2], others[:, :2]
    )
    inter = (size + offset).clamp(min=0).prod(dim=1)
    areas = (others[:, 2:] - others[:, :2] + offset).prod(dim=1)
    area = (one[2:] - one[:2] + offset).prod()
    return inter / (area + areas - inter)


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
    """Soft-NMS; writes boxes and decayed scores to the first rows of dets.

    Args:
        boxes: (N, 4) corners.
        scores: (N,).
        dets: (N, 5), written in place.
        iou_threshold: overlap from which a score decays (not for gaussian).
        sigma: width of the gaussian decay.
        min_score: boxes that decay below it are dropped.
        method: 0 naive (to zero), 1 linear, 2 gaussian.
        offset: 0 or 1, added to every width and height.

    Returns:
        Indices (K,) of the boxes kept, in the order of ``dets``.
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
    """Groups of boxes: each kept one, then those it suppressed by score.

    Args:
        dets: (N, 5) corners and score.
        iou_threshold: overlap from which a box is suppressed.
    """
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
    """Pairwise overlaps, written to ``ious``.

    Args:
        bboxes1: (M, 4) corners.
        bboxes2: (N, 4) corners.
        ious: (M, N), or (M,) if aligned.
        mode: 0 over the union, 1 over the area of the first box.
        aligned: compare row by row, M == N.
        offset: 0 or 1, added to every width and height.
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]
    size = torch.minimum(bboxes1[..., 2:], bboxes2[..., 2:]) - torch.maximum(
        bboxes1[..., :2], bboxes2[..., :2]
    )
    inter = (size + offset).clamp(min=0).prod(dim=-1)
    area = (bboxes1[..., 2:] - bboxes1[..., :2] + offset).prod(dim=-1)
    if mode == 0:
        area = area - inter
        area = area + (bboxes2[..., 2:] - bboxes2[..., :2] + offset).prod(-1)
    ious.copy_(inter / area)


# ---- Regions of interest


def _refuse_max_pooling(pool_mode: int) -> None:
    if pool_mode == 0:
        raise NotImplementedError(
            "mmcv.ops.RoIAlign(pool_mode='max') has no counterpart in "
            "torchvision: use pool_mode='avg' or install a compiled mmcv."
        )


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
    """RoIAlign of (B, C, H, W) in (K, 5) boxes to output (K, C, h, w)."""
    _refuse_max_pooling(pool_mode)
    features = _compute(input)
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
    """Gradient of :func:`roi_align_forward`, written to ``grad_input``."""
    _refuse_max_pooling(pool_mode)
    grad = _compute(grad_output)
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
    """Pixels of every bin along one axis: positions, and which bins are empty.

    Bins differ in width; positions beyond the end of a bin repeat its last
    pixel, which changes no maximum.

    Args:
        start: (K,) start of the boxes in pixels.
        size: (K,) extent of the boxes in pixels.
        bins: number of bins.
        limit: length of the axis.

    Returns:
        Positions (K, bins, widest bin) and emptiness (K, bins).
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
    """RoIPool of (B, C, H, W) in (K, 5) boxes to output (K, C, h, w).

    torchvision rounds boxes to whole pixels before it divides them into bins;
    mmcv rounds the bins. This is mmcv's rule, in plain torch.

    Args:
        input: (B, C, H, W).
        rois: (K, 5), image index and corners.
        output: (K, C, h, w), written in place; 0 where a bin is empty.
        argmax: same shape, int32: the position h * W + w of each maximum, -1
            where a bin is empty.
        pooled_height: h.
        pooled_width: w.
        spatial_scale: pixels of ``input`` per unit of the boxes.
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


def _class_weight(weight: Tensor, target: Tensor) -> Tensor | float:
    """Weight of each row's class; 1 for the background (the last class + 1).

    mmcv reads behind the end of ``weight`` for a background row.
    """
    if not weight.numel():
        return 1.0
    return torch.cat([weight, weight.new_ones(1)])[target]


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
    """Focal loss of logits (N, C) and classes (N,), to output (N, C)."""
    p = _compute(input).sigmoid()
    classes = torch.arange(input.size(1), device=input.device)
    positive = target[:, None] == classes
    loss = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * _log(p),
        -(1 - alpha) * p**gamma * _log(1 - p),
    )
    row = _class_weight(weight, target)
    output.copy_(loss if isinstance(row, float) else loss * row[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of the loss by the logits, written to ``grad_input``."""
    p = _compute(input).sigmoid()
    classes = torch.arange(input.size(1), device=input.device)
    positive = target[:, None] == classes
    grad = torch.where(
        positive,
        -alpha * (1 - p) ** gamma * (1 - p - gamma * p * _log(p)),
        -(1 - alpha) * p**gamma * (gamma * (1 - p) * _log(1 - p) - p),
    )
    row = _class_weight(weight, target)
    grad_input.copy_(grad if isinstance(row, float) else grad * row[:, None])


# ---- Deformable convolution


def _deform_geometry(
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
) -> tuple[int, ...]:
    return (*stride, *padding, *dilation, groups, deform_groups)


def _deform_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> Tensor:
    data = _compute(input)
    return _KERNELS.deform_conv2d(
        data,
        weight.to(data.dtype),
        offset.to(data.dtype),
        data.new_zeros(len(data), 1) if mask is None else mask.to(data.dtype),
        data.new_zeros(len(weight)) if bias is None else bias.to(data.dtype),
        *geometry,
        mask is not None,
    )


def _deform_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of input, weight, offset, mask and bias."""
    data = _compute(input)
    return _KERNELS._deform_conv2d_backward(
        grad_output.to(data.dtype),
        data,
        weight.to(data.dtype),
        offset.to(data.dtype),
        data.new_zeros(len(data), 1) if mask is None else mask.to(data.dtype),
        data.new_zeros(len(weight)) if bias is None else bias.to(data.dtype),
        *geometry,
        mask is not None,
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
    """Deformable convolution v1, written to ``output``."""
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
    """Gradients of input and offset, written in place."""
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
    """Gradient of the weight, times ``scale``, added to ``gradWeight``."""
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    geometry = (*geometry, group, deformable_group)
    # The value of the weight does not enter its own gradient.
    grads = _deform_backward(
        gradOutput, input, gradWeight, offset, None, None, geometry
    )
    gradWeight.add_(grads[1].to(gradWeight.dtype), alpha=scale)


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
    """Deformable convolution v2, written to ``output``."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    geometry = (*geometry, group, deformable_group)
    bias = bias if with_bias else None
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
    """Gradients of deformable convolution v2, written in place."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    geometry = (*geometry, group, deformable_group)
    bias = bias if with_bias else None
    grads = _deform_backward(
        grad_output, input, weight, offset, mask, bias, geometry
    )
    grad_input.copy_(grads[0])
    grad_weight.copy_(grads[1])
    grad_offset.copy_(grads[2])
    grad_mask.copy_(grads[3])
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
    """Gradients by running the formula again, written in place."""
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
