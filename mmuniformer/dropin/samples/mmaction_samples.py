"""Batches of mmaction2: clips and frames of a picture that moves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmuniformer.dropin.samples.pictures import Picture
from mmuniformer.nodes import type_name, walk

FRAMES = 8


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """See :func:`mmuniformer.dropin.samples.make_batch`."""
    model = cfg.model
    finds_actors = 'roi_head' in model
    inputs, samples = [], []
    for index, picture in enumerate(pictures):
        sample = ActionDataSample()
        sample.set_metainfo(
            dict(img_shape=picture.size, ori_shape=picture.size)
        )
        if finds_actors:
            _add_actors(cfg, sample, picture)
        else:
            _add_label(cfg, sample, index)
        inputs.append(_views(cfg, picture, finds_actors))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def _views(cfg: Config, picture: Picture, whole: bool) -> torch.Tensor:
    """(M, C, T, H, W), (M, C, H, W) of M frames, or (C, T, H, W)."""
    shapes = [
        node['format_shape']
        for _, node in walk(cfg.model)
        if 'format_shape' in node
    ]
    flat = type_name(cfg.model) == 'Recognizer2D'
    shape = (shapes or ['NCHW' if flat else 'NCTHW'])[0]
    channels = cfg.model.backbone.get('in_channels', 3)
    moved = [
        np.roll(picture.image, 2 * step, axis=1) for step in range(FRAMES)
    ]
    frames = np.stack(moved).transpose(0, 3, 1, 2)
    if channels != 3:
        frames = np.resize(frames, (FRAMES, channels, *picture.size))
        frames = frames.astype(np.float32) / 255
    frames = torch.from_numpy(frames.copy())
    if shape == 'NCHW' and flat:
        count = _segments(cfg)
        return torch.cat([frames] * -(-count // FRAMES))[:count]
    if type_name(cfg.model) == 'RecognizerAudio':
        return frames[:1]
    clip = frames.transpose(0, 1)
    return clip if whole else clip[None]


def _segments(cfg: Config) -> int:
    head = cfg.model.get('cls_head') or {}
    return head.get('num_segments', FRAMES)


def _add_label(cfg: Config, sample: ActionDataSample, index: int) -> None:
    head = cfg.model.get('cls_head') or {}
    if head.get('multi_class'):
        sample.set_gt_label(np.eye(head['num_classes'])[index])
    elif isinstance(head.get('num_classes'), dict):
        sample.set_gt_label(dict.fromkeys(head['num_classes'], index))
    else:
        sample.set_gt_label(index)


def _add_actors(
    cfg: Config, sample: ActionDataSample, picture: Picture
) -> None:
    boxes = torch.from_numpy(picture.boxes)
    classes = cfg.model.roi_head.bbox_head.num_classes
    labels = torch.zeros(len(boxes), classes)
    labels[:, 1] = 1
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    sample.proposals = InstanceData(
        bboxes=boxes, scores=torch.ones(len(boxes))
    )
