"""Batches of mmpretrain: one image for each sample, or several views."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample, MultiTaskDataSample

from mmuniformer.dropin.samples.pictures import Picture, as_tensor, resized
from mmuniformer.nodes import type_name, walk

# SwAV's second group of views is smaller.
SMALL_VIEW = 64
# Places of a label map of token labeling.
LABEL_MAP = (7, 7)


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """See :func:`mmuniformer.dropin.samples.make_batch`."""
    samples = [_sample(cfg, index) for index in range(len(pictures))]
    groups = _views(cfg)
    if not groups or not training:
        return dict(
            inputs=torch.stack([as_tensor(p, cfg.model) for p in pictures]),
            data_samples=samples,
        )
    views = []
    for place, count in enumerate(groups):
        shapes = [
            resized(picture, (SMALL_VIEW, SMALL_VIEW)) if place else picture
            for picture in pictures
        ]
        for turn in range(count):
            # Views differ, or contrast has nothing to tell apart.
            turned = [
                as_tensor(p, cfg.model).rot90(turn % 4, (1, 2)) for p in shapes
            ]
            views.append(torch.stack(turned))
    return dict(inputs=views, data_samples=samples)


def _views(cfg: Config) -> list[int]:
    for _, node in walk(cfg.get('train_dataloader')):
        if type_name(node) == 'MultiView':
            count = node['num_views']
            return [count] if isinstance(count, int) else list(count)
    return []


def _sample(cfg: Config, index: int) -> DataSample:
    head = cfg.model.get('head') or {}
    kind = type_name(head)
    if kind == 'MultiTaskHead':
        sample = MultiTaskDataSample()
        for task in head['task_heads']:
            sample.set_field(DataSample().set_gt_label(index), task)
        return sample
    sample = DataSample()
    if kind == 'TokenLabelHead':
        # One class, the sample's, in each place of the whole image.
        label_map = torch.ones(2, 1, *LABEL_MAP)
        label_map[1] = index
        sample.set_field(label_map, 'token_label')
        sample.set_field(torch.tensor([0.0, 0.0, 1.0, 1.0]), 'token_crop')
    if 'MultiLabel' in kind or kind == 'CSRAClsHead':
        score = torch.zeros(head['num_classes'])
        score[index] = 1
        return sample.set_gt_score(score)
    return sample.set_gt_label(index)
