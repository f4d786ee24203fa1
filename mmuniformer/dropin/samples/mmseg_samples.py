"""Batches of mmseg."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmuniformer.dropin.samples.pictures import Picture, as_tensor
from mmuniformer.nodes import walk


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """See :func:`mmuniformer.dropin.samples.make_batch`."""
    found = [
        node['num_classes']
        for _, node in walk(cfg.model)
        if isinstance(node.get('num_classes'), int)
    ]
    classes = max(min(found, default=2), 2)
    inputs, samples = [], []
    for picture in pictures:
        labels = np.zeros(picture.size, np.int64)
        for mask, label in zip(picture.masks, picture.labels, strict=True):
            labels[mask > 0] = (label + 1) % classes
        sample = SegDataSample(
            metainfo=dict(
                img_path='drawn.png',
                ori_shape=picture.size,
                img_shape=picture.size,
                pad_shape=picture.size,
                scale_factor=(1.0, 1.0),
                flip=False,
                flip_direction=None,
                reduce_zero_label=False,
            )
        )
        data = torch.from_numpy(labels[None])
        sample.gt_sem_seg = PixelData(data=data)
        sample.gt_edge_map = PixelData(data=(data > 0).long())
        sample.gt_depth_map = PixelData(data=data.float() + 1)
        inputs.append(as_tensor(picture, cfg.model))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
