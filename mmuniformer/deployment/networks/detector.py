"""One-stage detection, to boxes that do not overlap."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torchvision  # noqa: F401  (torch.ops.torchvision.nms)
from mmengine.logging import print_log
from torch import Tensor
from torch.nn import functional as F

from mmuniformer.deployment.networks.base import (
    OBJECTS,
    Network,
    NotExported,
    Output,
)
from mmuniformer.prediction.models import LoadedModel

# What of a head of mmdet is done here again, without a branch on values.
REDONE = ('predict_by_feat', '_predict_by_feat_single', '_bbox_post_process')


class Detector(Network):
    """A ``SingleStageDetector`` of mmdet, as RetinaNet is, to boxes.

    The same steps as in the host: of each level the ``nms_pre`` best, those
    above ``score_thr``, NMS within each class, the ``max_per_img`` best. Of
    each image there are as many, those that are none having the label -1.

    Args:
        loaded (LoadedModel): The model.

    Raises:
        NotExported: If the head or its ``test_cfg`` go another way.
    """

    task = 'detection'
    outputs = (
        Output(
            'boxes',
            ('batch', 'detections', 4),
            'x1, y1, x2, y2 in pixels of the input; the best first',
            OBJECTS,
        ),
        Output(
            'scores',
            ('batch', 'detections'),
            '0 to 1, and 0 where an image has fewer detections',
        ),
        Output(
            'labels',
            ('batch', 'detections'),
            'number of the class, -1 where an image has fewer detections',
            OBJECTS,
        ),
    )

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        check_head(getattr(loaded.net, 'bbox_head', None))
        strides = loaded.net.bbox_head.prior_generator.strides
        self.smallest = max(64, 2 * int(np.max(strides)))
        settings = loaded.net.bbox_head.test_cfg
        self.nms_pre = int(settings['nms_pre'])
        self.score_thr = float(settings.get('score_thr', 0))
        self.thinnest = float(settings.get('min_bbox_size', -1))
        if self.thinnest > 0:
            print_log(
                f'min_bbox_size={self.thinnest:g} of test_cfg is in pixels of '
                'the input in the exported file, and in those of the photo in '
                "mmdet's own test.",
                logger='current',
                level=logging.WARNING,
            )
        coder = loaded.net.bbox_head.bbox_coder
        self.clips = bool(getattr(coder, 'clip_border', True))
        nms = settings['nms']
        self.overlap = float(overlap_of(nms))
        self.per_class = not nms.get('class_agnostic', False)
        self.surest = float(nms.get('score_threshold', 0))
        # No more than there are candidates of all levels.
        levels = len(loaded.net.bbox_head.prior_generator.strides)
        self.most = min(int(settings['max_per_img']), levels * self.nms_pre)
        if nms.get('max_num', -1) > 0:
            self.most = min(self.most, int(nms['max_num']))

    def results(self, x: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
        """Computes boxes, scores and labels."""
        boxes, scores, labels = self._boxes(x, size, self.nms_pre)
        if self.thinnest >= 0:
            sides = boxes[..., 2:] - boxes[..., :2]
            large = (sides > self.thinnest).all(-1)
            scores = scores * large
        if self.surest > 0:
            scores = scores * (scores > self.surest)
        scores = scores * self._kept(self._small(boxes, size), scores, labels)
        scores, order = scores.topk(self.most, dim=1)
        found = scores > 0
        boxes = boxes.gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
        labels = labels.gather(1, order)
        boxes = torch.where(found.unsqueeze(-1), boxes, 0.0)
        return boxes, scores, torch.where(found, labels, -1)

    def candidates(self, images: Tensor) -> dict[str, Tensor]:
        """All boxes that NMS and the limits on numbers choose from.

        Args:
            images (Tensor): (B, H, W, C).

        Returns:
            dict[str, Tensor]: 'boxes' (B, n, 4), 'scores' and 'labels'
            (B, n), with scores of 0 below ``score_thr``.
        """
        height, width = images.shape[1:3]
        x = self.normalise(images).to(self.dtype)
        found = self._boxes(x, (height, width), None)
        return dict(zip(('boxes', 'scores', 'labels'), found, strict=True))

    def _boxes(
        self, x: Tensor, size: tuple[int, int], most: int | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels of all levels."""
        outs = self.net.bbox_head(self.net.extract_feat(x))
        levels = self._levels(outs, most)
        boxes, scores, labels = (
            torch.cat(parts, 1) for parts in zip(*levels, strict=True)
        )
        if self.clips:
            boxes = boxes.clamp_min(0).minimum(_limits(size, boxes))
        return boxes, scores, labels

    def _small(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Boxes whose corners are from 0 to below 1."""
        if self.clips:
            return boxes / (_limits(size, boxes).amax(0) + 1)
        boxes = boxes - boxes.amin()
        return boxes / (boxes.amax() + 1)

    def _levels(
        self, outs: Sequence[Sequence[Tensor]], most: int | None
    ) -> list[tuple]:
        """The best boxes (B, n, 4), scores and labels (B, n) of each level.

        Of all levels as many: where one has fewer, with scores of 0.

        Args:
            outs (Sequence[Sequence[Tensor]]): What the head gives.
            most (int, optional): How many; all, if None.
        """
        head = self.net.bbox_head
        outs = [[level.float() for level in kind] for kind in outs]
        priors = head.prior_generator.grid_priors(
            [level.shape[-2:] for level in outs[0]],
            dtype=torch.float32,
            device=outs[0][0].device,
        )
        found = []
        for level, anchors in zip(
            zip(*outs, strict=True), priors, strict=True
        ):
            classes, deltas, *factor = (_by_place(one) for one in level)
            channels = head.cls_out_channels
            classes = classes.unflatten(2, (-1, channels)).flatten(1, 2)
            deltas = deltas.unflatten(2, (-1, 4)).flatten(1, 2)
            if head.use_sigmoid_cls:
                scores = classes.sigmoid()
            else:
                scores = classes.softmax(-1)[..., :-1]
            number = scores.shape[2]
            flat = scores.flatten(1)
            if most is not None:
                flat = F.pad(flat, (0, most))
            best, index = flat.topk(most or flat.shape[1], dim=1)
            # What was padded has no place: it gets that of another one.
            labels = index % number
            places = (index // number).minimum(
                torch.full_like(index, scores.shape[1] - 1)
            )
            best = best * (best > self.score_thr)
            if factor:
                best = best * factor[0].flatten(1).gather(1, places).sigmoid()
            rows = places.unsqueeze(-1).expand(-1, -1, 4)
            chosen = anchors[places.flatten()]
            boxes = head.bbox_coder.decode(
                chosen, deltas.gather(1, rows).flatten(0, 1)
            )
            found.append((boxes.unflatten(0, places.shape), best, labels))
        return found

    def _kept(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> Tensor:
        """Which candidates (B, n) NMS keeps; sides of boxes are below 1."""
        # Each class of each image at a place of its own, so that one pass
        # over all of them is one within each.
        image = torch.arange(boxes.shape[0], device=boxes.device)
        down = image.unsqueeze(1).expand(-1, boxes.shape[1])
        right = labels if self.per_class else torch.zeros_like(labels)
        moves = torch.stack((right, down, right, down), -1)
        apart = (boxes + moves).flatten(0, 1)
        flat = scores.flatten()
        wanted = flat.nonzero().squeeze(1)
        chosen = torch.ops.torchvision.nms(
            apart[wanted], flat[wanted], self.overlap
        )
        kept = torch.zeros_like(flat)
        one = torch.ones_like(chosen, dtype=flat.dtype)
        return kept.scatter(0, wanted[chosen], one).unflatten(0, labels.shape)


def overlap_of(nms: Mapping[str, Any]) -> float | None:
    """The overlap at which a box is left out, under either of its names."""
    return nms.get('iou_threshold', nms.get('iou_thr'))


def _limits(size: tuple[int, int], boxes: Tensor) -> Tensor:
    """Largest x1, y1, x2 and y2."""
    return torch.tensor([size[1], size[0]]).repeat(2).to(boxes)


def _by_place(level: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H * W, C)."""
    return level.permute(0, 2, 3, 1).flatten(1, 2)


def check_head(head: torch.nn.Module | None) -> None:
    """Looks whether a head's results are those that are made here.

    Args:
        head (nn.Module, optional): Head of a one-stage detector of mmdet;
            some, as Mask2Former, have another one instead.

    Raises:
        NotExported: If they are not.
    """
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    if head is None:
        raise NotExported('a detector without bbox_head is not exported whole')
    name = type(head).__name__
    if not isinstance(head, BaseDenseHead) or any(
        getattr(type(head), method) is not getattr(BaseDenseHead, method)
        for method in REDONE
    ):
        raise NotExported(
            f'the head {name} makes boxes in a way of its own, which is not '
            'exported, that of RetinaNet is'
        )
    if not hasattr(head, 'prior_generator') or head.bbox_coder is None:
        raise NotExported(f'the head {name} has no anchors')
    settings = head.test_cfg or {}
    kind = (settings.get('nms') or dict(type='no NMS')).get('type', 'nms')
    if kind != 'nms':
        raise NotExported(f'{name}: {kind} is not exported, nms is')
    nms = settings['nms']
    if overlap_of(nms) is None or nms.get('offset', 0):
        raise NotExported(
            f'{name}: nms of test_cfg is exported with iou_threshold and '
            'without offset'
        )
    if min(settings.get(key, -1) for key in ('nms_pre', 'max_per_img')) <= 0:
        raise NotExported(
            f'{name}: nms_pre and max_per_img of test_cfg have to be above 0 '
            'in an exported file'
        )
