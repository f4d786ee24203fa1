"""Compares the ops on torchvision's kernels with those of a compiled mmcv.

Needs an environment whose mmcv has its compiled extension. Both are called
through ``mmcv.ops``, with the same random inputs; the table is Markdown.

Example:
    python tools/misc/compare_mmcv_ops.py --cases 50
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--cases', type=int, default=50, help='per op')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    return parser.parse_args()


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    arguments = parse_args()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from mmuniformer.compat import mmcv_ops  # noqa: E402


@dataclass
class Op:
    """One op: where mmcv keeps it, its inputs, and how it is called."""

    name: str
    module: str
    inputs: Callable[[torch.Generator], tuple]
    call: Callable[..., Tensor | tuple[Tensor, ...] | list]


@dataclass
class Result:
    """What all random cases of one op came to."""

    cases: int
    output: float = 0.0
    gradient: float | None = None
    other_indices: int = 0
    missing: str = ''


def _uniform(rng: torch.Generator, *size: int) -> Tensor:
    return torch.rand(*size, generator=rng)


def _normal(rng: torch.Generator, *size: int) -> Tensor:
    return torch.randn(*size, generator=rng)


def _integer(rng: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high, (1,), generator=rng))


def _flag(rng: torch.Generator) -> bool:
    return bool(_integer(rng, 0, 2))


def _boxes(rng: torch.Generator, count: int, size: float) -> Tensor:
    corner = _uniform(rng, count, 2) * size
    return torch.cat([corner, corner + _uniform(rng, count, 2) * size], dim=1)


def _detections(rng: torch.Generator) -> tuple:
    count = _integer(rng, 0, 400)
    boxes = _boxes(rng, count, 100)
    return boxes, _uniform(rng, count), _integer(rng, 0, 2)


def _rotated_boxes(rng: torch.Generator, count: int) -> Tensor:
    sizes = torch.tensor([100, 100, 60, 60, 7.0])
    return _uniform(rng, count, 5) * sizes + torch.tensor([0, 0, 1, 1, -3.5])


def _rotated_detections(rng: torch.Generator) -> tuple:
    count = _integer(rng, 1, 200)
    return _rotated_boxes(rng, count), _uniform(rng, count)


def _rotated_pairs(rng: torch.Generator) -> tuple:
    count = _integer(rng, 1, 40)
    boxes = _rotated_boxes(rng, count), _rotated_boxes(rng, count)
    return *boxes, 'iof' if _flag(rng) else 'iou', _flag(rng), _flag(rng)


def _rois(rng: torch.Generator) -> tuple:
    features = _normal(rng, 2, 8, 24, 32).requires_grad_()
    count = _integer(rng, 1, 40)
    image = torch.randint(0, 2, (count, 1), generator=rng).float()
    # Some boxes reach beyond the image.
    rois = torch.cat([image, _boxes(rng, count, 160) - 20], dim=1)
    return features, rois, _integer(rng, 0, 3), _flag(rng)


def _overlap_inputs(rng: torch.Generator) -> tuple:
    count = _integer(rng, 1, 60)
    mode = 'iof' if _flag(rng) else 'iou'
    pair = _boxes(rng, count, 50), _boxes(rng, count, 50)
    return *pair, mode, _flag(rng), _integer(rng, 0, 2)


def _focal_inputs(rng: torch.Generator) -> tuple:
    logits = (5 * _normal(rng, 50, 20)).requires_grad_()
    target = torch.randint(0, 21, (50,), generator=rng)
    return logits, target, 2 * float(_uniform(rng, 1)) + 0.5


def _softmax_focal_inputs(rng: torch.Generator) -> tuple:
    logits, target, gamma = _focal_inputs(rng)
    return logits, target.clamp(max=19), gamma


def _masked_inputs(rng: torch.Generator) -> tuple:
    features, weight = _normal(rng, 1, 4, 9, 11), _normal(rng, 6, 4, 3, 3)
    mask = torch.randint(0, 2, (1, 9, 11), generator=rng).float()
    return features, mask, weight, _normal(rng, 6)


def _psa_inputs(rng: torch.Generator) -> tuple:
    kind = 'collect' if _flag(rng) else 'distribute'
    side = 2 * _integer(rng, 1, 8) + 1
    return _normal(rng, 2, side**2, 6, 8).requires_grad_(), kind, side


def _carafe_inputs(rng: torch.Generator) -> tuple:
    groups, kernel = _integer(rng, 1, 3), 2 * _integer(rng, 0, 3) + 1
    masks = _normal(rng, 2, groups * kernel**2, 12, 14)
    features = _normal(rng, 2, 8, 6, 7)
    tensors = features.requires_grad_(), masks.requires_grad_()
    return *tensors, kernel, groups, 2


def _interlacing_inputs(rng: torch.Generator) -> tuple:
    shift = torch.randint(-3, 4, (2, 4), generator=rng, dtype=torch.int)
    return _normal(rng, 2, 6, 8, 10).requires_grad_(), shift


def _too_large_inputs(rng: torch.Generator) -> tuple:
    """Offsets and masks of a pyramid's next lower level."""
    x, weight = _normal(rng, 2, 4, 7, 8), _normal(rng, 6, 4, 3, 3)
    tensors = x, _normal(rng, 2, 18, 14, 16), _uniform(rng, 2, 9, 14, 16)
    return *(each.requires_grad_() for each in (*tensors, weight)), (1, 1)


def _convolution(rng: torch.Generator, modulated: bool) -> tuple:
    groups, deform_groups = _integer(rng, 1, 3), _integer(rng, 1, 3)
    kernel, stride = _integer(rng, 1, 4), _integer(rng, 1, 3)
    dilation = _integer(rng, 1, 3)
    padding = dilation * (kernel // 2)
    options = (stride, padding, dilation, groups, deform_groups)
    size = (14 + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    taps = deform_groups * kernel**2
    tensors = [
        _normal(rng, 2, 8, 14, 14),
        2 * _normal(rng, 2, 2 * taps, size, size),
        _normal(rng, 12, 8 // groups, kernel, kernel),
    ]
    if modulated:
        tensors.insert(2, _uniform(rng, 2, taps, size, size))
        tensors.append(_normal(rng, 12))
    return *(tensor.requires_grad_() for tensor in tensors), options


def _attention_inputs(rng: torch.Generator) -> tuple:
    shapes = torch.tensor([[12, 10], [6, 5]])
    weights = _normal(rng, 2, 7, 4, 2 * 3).softmax(dim=-1)
    return (
        _normal(rng, 2, 150, 4, 8).requires_grad_(),
        shapes,
        torch.tensor([0, 120]),
        (1.2 * _uniform(rng, 2, 7, 4, 2, 3, 2) - 0.1).requires_grad_(),
        weights.view(2, 7, 4, 2, 3).detach().requires_grad_(),
    )


def _ops() -> list[Op]:
    from mmcv import ops
    from mmcv.ops.masked_conv import masked_conv2d
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
    )
    from mmcv.ops.psa_mask import psa_mask as mask_function

    def psa_mask(mask, kind, side):
        return mask_function(mask, int(kind == 'distribute'), (side, side))

    def roi_align(features, rois, sampling, aligned):
        return ops.roi_align(features, rois, 7, 0.2, sampling, 'avg', aligned)

    def roi_align_max(features, rois, sampling, aligned):
        return ops.roi_align(features, rois, 7, 0.2, sampling, 'max', aligned)

    def deform_roi_pool(features, rois, sampling, _):
        return ops.deform_roi_pool(features, rois, None, 7, 0.2, sampling)

    def soft_nms(method):
        return lambda boxes, scores, offset: ops.soft_nms(
            boxes, scores, 0.3, 0.5, 0.05, method, offset
        )

    return [
        Op(
            'nms',
            'nms',
            _detections,
            lambda boxes, scores, offset: ops.nms(boxes, scores, 0.5, offset),
        ),
        *(
            Op(f'softnms ({method})', 'nms', _detections, soft_nms(method))
            for method in ('naive', 'linear', 'gaussian')
        ),
        Op(
            'nms_match',
            'nms',
            _detections,
            lambda boxes, scores, _: ops.nms_match(
                torch.cat([boxes, scores[:, None]], dim=1), 0.5
            ),
        ),
        Op(
            'nms_rotated',
            'nms',
            _rotated_detections,
            lambda boxes, scores: ops.nms_rotated(boxes, scores, 0.3),
        ),
        Op(
            'box_iou_rotated',
            'box_iou_rotated',
            _rotated_pairs,
            ops.box_iou_rotated,
        ),
        Op('bbox_overlaps', 'bbox', _overlap_inputs, ops.bbox_overlaps),
        Op('roi_align', 'roi_align', _rois, roi_align),
        Op('roi_align (max)', 'roi_align', _rois, roi_align_max),
        Op('deform_roi_pool', 'deform_roi_pool', _rois, deform_roi_pool),
        Op('psa_mask', 'psa_mask', _psa_inputs, psa_mask),
        Op('carafe', 'carafe', _carafe_inputs, ops.carafe),
        Op('tin_shift', 'tin_shift', _interlacing_inputs, ops.tin_shift),
        Op(
            'roi_pool',
            'roi_pool',
            _rois,
            lambda features, rois, *_: ops.roi_pool(features, rois, 7, 0.2),
        ),
        Op(
            'sigmoid_focal_loss',
            'focal_loss',
            _focal_inputs,
            lambda logits, target, gamma: ops.sigmoid_focal_loss(
                logits, target, gamma, 0.25, None, 'none'
            ),
        ),
        Op(
            'softmax_focal_loss',
            'focal_loss',
            _softmax_focal_inputs,
            lambda logits, target, gamma: ops.softmax_focal_loss(
                logits, target, gamma, 0.25, None, 'none'
            ),
        ),
        Op(
            'masked_conv2d',
            'masked_conv',
            _masked_inputs,
            lambda x, mask, weight, bias: masked_conv2d(
                x, mask, weight, bias, 1
            ),
        ),
        Op(
            'deform_conv',
            'deform_conv',
            lambda rng: _convolution(rng, modulated=False),
            lambda x, offset, weight, options: ops.deform_conv2d(
                x, offset, weight, *options
            ),
        ),
        Op(
            'modulated_deform_conv',
            'modulated_deform_conv',
            lambda rng: _convolution(rng, modulated=True),
            lambda x, offset, mask, weight, bias, options: (
                ops.modulated_deform_conv2d(
                    x, offset, mask, weight, bias, *options
                )
            ),
        ),
        Op(
            'modulated_deform_conv (offsets too large)',
            'modulated_deform_conv',
            _too_large_inputs,
            lambda x, offset, mask, weight, options: (
                ops.modulated_deform_conv2d(
                    x, offset, mask, weight, None, *options
                )
            ),
        ),
        Op(
            'ms_deform_attn',
            'multi_scale_deform_attn',
            _attention_inputs,
            lambda *inputs: MultiScaleDeformableAttnFunction.apply(
                *inputs, 64
            ),
        ),
    ]


@contextmanager
def _extension(module: str, extension: object) -> Iterator[None]:
    module = importlib.import_module(f'mmcv.ops.{module}')
    before = module.ext_module
    module.ext_module = extension
    try:
        yield
    finally:
        module.ext_module = before


def _run(op: Op, extension: object, inputs: tuple) -> tuple[list, list]:
    """Outputs and gradients of one call."""
    for tensor in inputs:
        if isinstance(tensor, Tensor):
            tensor.grad = None
    with _extension(op.module, extension):
        outputs = op.call(*inputs)
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        if outputs and outputs[0].requires_grad:
            weight = torch.linspace(-1, 1, outputs[0].numel())
            weight = weight.view_as(outputs[0]).to(outputs[0])
            (outputs[0] * weight).sum().backward()
    gradients = [
        tensor.grad.clone()
        for tensor in inputs
        if isinstance(tensor, Tensor) and tensor.grad is not None
    ]
    return [output.detach() for output in outputs], gradients


def _difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    return max(
        (
            float((a.double() - b.double()).abs().max())
            for a, b in zip(ours, theirs, strict=True)
            if a.numel()
        ),
        default=0.0,
    )


def _same_indices(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    if len(ours) != len(theirs):
        return False
    return all(
        a.shape == b.shape and (a.is_floating_point() or torch.equal(a, b))
        for a, b in zip(ours, theirs, strict=True)
    )


def compare(op: Op, compiled: object, cases: int, device: str) -> Result:
    """Runs both on the same random inputs.

    Args:
        op: what to compare.
        compiled: mmcv's compiled extension.
        cases: number of random inputs; the case's number is its seed.
        device: where the inputs are.
    """
    result = Result(cases=cases)
    for seed in range(cases):
        rng = torch.Generator().manual_seed(seed)
        inputs = tuple(
            item.detach().to(device).requires_grad_(item.requires_grad)
            if isinstance(item, Tensor)
            else item
            for item in op.inputs(rng)
        )
        try:
            theirs, their_gradients = _run(op, compiled, inputs)
        except RuntimeError as error:
            if 'implementation for device' not in str(error):
                raise
            result.missing = f'mmcv has no {device} kernel'
            return result
        ours, our_gradients = _run(op, mmcv_ops, inputs)
        if not _same_indices(ours, theirs):
            result.other_indices += 1
            continue
        result.output = max(result.output, _difference(ours, theirs))
        if their_gradients:
            result.gradient = max(
                result.gradient or 0.0,
                _difference(our_gradients, their_gradients),
            )
    return result


def _table(results: dict[str, Result]) -> str:
    lines = [
        '| op | cases | same indices or shapes | max diff, outputs '
        '| max diff, gradients |',
        '|---|---|---|---|---|',
    ]
    for name, result in results.items():
        if result.missing:
            lines.append(f'| {name} | {result.missing} | | | |')
            continue
        gradient = '' if result.gradient is None else f'{result.gradient:.1e}'
        lines.append(
            f'| {name} | {result.cases} '
            f'| {result.cases - result.other_indices} '
            f'| {result.output:.1e} | {gradient} |'
        )
    return '\n'.join(lines)


def main(args: argparse.Namespace) -> int:
    from mmcv import _ext as compiled

    if compiled.__file__.endswith('.py'):
        sys.exit(
            'error: this mmcv has no compiled extension: run in an '
            'environment where it has one'
        )
    results = {
        op.name: compare(op, compiled, args.cases, args.device)
        for op in _ops()
    }
    sys.stdout.write(_table(results) + '\n')
    return int(any(result.other_indices for result in results.values()))


if __name__ == '__main__':
    sys.exit(main(arguments))
