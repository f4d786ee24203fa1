"""Targets of token labeling, from label maps and the crops of their images."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def make_targets(
    label_maps: Sequence[Tensor],
    crops: Tensor,
    num_classes: int,
    size: tuple[int, int],
    smoothing: float,
    swap_axes: bool,
) -> tuple[Tensor, Tensor]:
    """Class and dense targets of the crops of a batch.

    Maps are pooled first and become shares of classes then: a class that a
    map does not name has a score of 0, not none. Shares are smoothed as the
    official code does it, and sum to ``1 + smoothing / num_classes``.

    Args:
        label_maps (Sequence[Tensor]): A map (2, k, h, w) for each image: the
            highest scores of each place, and their classes.
        crops (Tensor): Top, left, height and width (B, 4) of what is seen of
            each image, in shares of the image.
        num_classes (int): Number of classes C.
        size (tuple[int, int]): Rows and columns of the dense target.
        smoothing (float): Share of a target that all classes get alike.
        swap_axes (bool): Whether rows of the crop are taken for columns and
            columns for rows, and heights of maps for widths: the region is
            then the crop mirrored at the diagonal, as in the published
            models.

    Returns:
        tuple[Tensor, Tensor]: Shares of classes of each image (B, C), and of
        each token (B, rows * columns, C).
    """
    scores = [
        spread_scores(label_map, num_classes) for label_map in label_maps
    ]
    boxes = [
        crop_box(crop, label_map.shape[-2:], swap_axes)
        for label_map, crop in zip(label_maps, crops, strict=True)
    ]
    low = smoothing / num_classes
    shares = [
        pool(scores, boxes, to).flatten(2).softmax(1) * (1 - smoothing + low)
        + low
        for to in ((1, 1), size)
    ]
    return shares[0].squeeze(2), shares[1].transpose(1, 2)


def spread_scores(label_map: Tensor, num_classes: int) -> Tensor:
    """The scores (C, h, w) of all classes, 0 where a map names none.

    Args:
        label_map (Tensor): Scores and classes (2, k, h, w).
        num_classes (int): Number of classes C.
    """
    scores, classes = label_map
    spread = scores.new_zeros(num_classes, *scores.shape[1:])
    return spread.scatter_(0, classes.long(), scores)


def crop_box(
    crop: Tensor, map_size: tuple[int, int], swap_axes: bool
) -> Tensor:
    """The crop as RoIAlign takes it: x1, y1, x2, y2 (4,) in places of a map.

    Args:
        crop (Tensor): Top, left, height and width (4,), in shares.
        map_size (tuple[int, int]): Rows and columns of the map.
        swap_axes (bool): See :func:`make_targets`.
    """
    top, left, height, width = crop.unbind()
    rows, columns = map_size
    if swap_axes:
        corners = torch.stack([top, left, top + height, left + width])
        return corners * columns - 0.5
    corners = torch.stack([left, top, left + width, top + height])
    return corners * corners.new_tensor([columns, rows] * 2) - 0.5


def pool(
    scores: Sequence[Tensor], boxes: Sequence[Tensor], size: tuple[int, int]
) -> Tensor:
    """RoIAlign of a box of each map (C, h, w), to (B, C, *size).

    Args:
        scores (Sequence[Tensor]): Maps, of any sizes.
        boxes (Sequence[Tensor]): See :func:`crop_box`.
        size (tuple[int, int]): Rows and columns of the result.
    """
    # torchvision comes with the host library alone.
    from torchvision.ops import roi_align

    rois = [box.to(scores[0])[None] for box in boxes]
    if len({one.shape for one in scores}) == 1:
        return roi_align(torch.stack(list(scores)), rois, size)
    # Made by different teachers, or of images of different sizes.
    return torch.cat(
        [
            roi_align(one[None], [roi], size)
            for one, roi in zip(scores, rois, strict=True)
        ]
    )


def soft_cross_entropy(logits: Tensor, shares: Tensor) -> Tensor:
    """Mean cross entropy over all but the last dimension.

    Args:
        logits (Tensor): (..., C).
        shares (Tensor): Targets (..., C).
    """
    return -(shares * F.log_softmax(logits, -1)).sum(-1).mean()
