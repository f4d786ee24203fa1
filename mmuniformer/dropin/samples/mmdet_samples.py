"""Batches of mmdet: detectors, trackers and what learns from two branches."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample, ReIDDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from mmuniformer.dropin.samples.pictures import Picture, resized
from mmuniformer.nodes import type_name, walk

BRANCHES = ('sup', 'unsup_teacher', 'unsup_student')
FRAMES = 2
# HTC and SCNet read semantic maps of one pixel in eight.
SEMANTIC_STEP = 8
# (H, W) of a crop for re-identification, whose necks pool over all of it.
PERSON = (256, 128)


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """See :func:`mmuniformer.dropin.samples.make_batch`."""
    model = cfg.model
    kind = type_name(model)
    preprocessor = type_name(model.get('data_preprocessor'))
    if kind == 'BaseReID':
        return _people(pictures)
    samples = [_sample(cfg, picture) for picture in pictures]
    # ByteTrack's detector learns from images, and not from clips.
    alone = training and model.data_preprocessor.get('use_det_processor')
    if preprocessor == 'TrackDataPreprocessor' and not alone:
        return _videos(pictures, samples)
    inputs = [_tensor(picture) for picture in pictures]
    batch = dict(inputs=inputs, data_samples=samples)
    if preprocessor == 'MultiBranchDataPreprocessor' and training:
        return dict(
            inputs={name: list(inputs) for name in BRANCHES},
            data_samples={
                name: [_sample(cfg, picture) for picture in pictures]
                for name in BRANCHES
            },
        )
    return batch


def _tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.image.transpose(2, 0, 1).copy())


def num_classes(cfg: Config) -> int:
    """The smallest number of classes of a model's heads."""
    keys = ('num_classes', 'num_things_classes')
    found = [
        node[key]
        for path, node in walk(cfg.model)
        for key in keys
        if isinstance(node.get(key), int)
        and node[key] > 0
        # Of a tracker, the detector alone.
        and 'reid' not in path
    ]
    return min(found, default=1)


def _sample(cfg: Config, picture: Picture) -> DetDataSample:
    height, width = picture.size
    labels = torch.from_numpy(picture.labels) % num_classes(cfg)
    instances = InstanceData(
        bboxes=torch.from_numpy(picture.boxes),
        labels=labels,
        instances_ids=torch.arange(len(labels)),
        # Of CrowdHuman's heads, if anything reads them.
        keypoints=torch.zeros(len(labels), 17, 2),
    )
    if _loads_masks(cfg):
        instances.masks = BitmapMasks(list(picture.masks), height, width)
    sample = DetDataSample(
        metainfo=dict(
            img_id=0,
            img_path='drawn.png',
            ori_shape=picture.size,
            img_shape=picture.size,
            pad_shape=picture.size,
            batch_input_shape=picture.size,
            scale_factor=(1.0, 1.0),
            flip=False,
            flip_direction=None,
            border=np.array([0, height, 0, width], np.float32),
            homography_matrix=np.eye(3, dtype=np.float32),
            frame_id=0,
        )
    )
    sample.gt_instances = instances
    sample.ignored_instances = InstanceData(
        bboxes=torch.zeros(0, 4),
        labels=torch.zeros(0, dtype=torch.long),
        masks=BitmapMasks([], height, width),
    )
    if 'rpn_head' not in cfg.model:
        # Fast R-CNN's; others make their own.
        sample.proposals = InstanceData(
            bboxes=instances.bboxes.clone(), scores=torch.ones(len(labels))
        )
    sample.gt_sem_seg = PixelData(sem_seg=_semantic(cfg, picture, labels))
    return sample


def _loads_masks(cfg: Config) -> bool:
    """Whether the config's pipeline gives masks: RTMDet reads what it gets."""
    loading = [
        (type_name(node), node)
        for _, node in walk(cfg.get('train_dataloader'))
        if type_name(node).startswith('Load')
        and type_name(node).endswith('Annotations')
    ]
    return not loading or any(
        node.get('with_mask', 'Panoptic' in kind) for kind, node in loading
    )


def _semantic(
    cfg: Config, picture: Picture, labels: torch.Tensor
) -> torch.Tensor:
    """Map of labels (1, H, W): things, and what lies behind them as stuff."""
    nodes = [node for _, node in walk(cfg.model)]
    things = next(
        (n['num_things_classes'] for n in nodes if 'num_things_classes' in n),
        len(set(labels.tolist())),
    )
    semantic = np.full(picture.size, things)
    for mask, label in zip(picture.masks, labels.tolist(), strict=True):
        semantic[mask > 0] = label
    if any('semantic_roi_extractor' in node for node in nodes):
        step = SEMANTIC_STEP
        semantic = semantic[step // 2 :: step, step // 2 :: step]
    return torch.from_numpy(semantic[None].copy())


def _videos(
    pictures: Sequence[Picture], samples: Sequence[DetDataSample]
) -> dict:
    inputs, tracks = [], []
    for picture, sample in zip(pictures, samples, strict=True):
        frames = [sample.clone() for _ in range(FRAMES)]
        for index, frame in enumerate(frames):
            frame.set_metainfo(dict(frame_id=index, video_length=FRAMES))
        inputs.append(torch.stack([_tensor(picture)] * FRAMES))
        tracks.append(
            TrackDataSample(
                video_data_samples=frames,
                metainfo=dict(key_frames_inds=[0], ref_frames_inds=[1]),
            )
        )
    return dict(inputs=inputs, data_samples=tracks)


def _people(pictures: Sequence[Picture]) -> dict:
    """A sample with two crops of each person, for the triplet loss."""
    people = [_tensor(resized(picture, PERSON)) for picture in pictures]
    crops = [person for person in people for _ in range(2)]
    sample = ReIDDataSample()
    sample.set_gt_label([i for i in range(len(pictures)) for _ in range(2)])
    return dict(inputs=[torch.stack(crops)], data_samples=[sample])
