"""Batches of mmpose, through the targets of the config's own pipeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS
from mmpose.structures.bbox import bbox_xyxy2corner

from mmuniformer.dropin.samples.pictures import Picture, resized
from mmuniformer.nodes import type_name, walk

# Steps that make what a head learns from.
TARGETS = (
    'GenerateTarget',
    'BottomupGetHeatmapMask',
    'GetHeatmapMask',
    'PackPoseInputs',
)
PEOPLE = 2


def make_batch(
    cfg: Config, pictures: Sequence[Picture], training: bool
) -> dict[str, Any]:
    """See :func:`mmuniformer.dropin.samples.make_batch`."""
    meta = _metainfo(cfg)
    steps = Compose(_steps(cfg, training))
    size = input_size(cfg)
    single = type_name(cfg.model) == 'TopdownPoseEstimator'
    corners = _keeps_corners(cfg)
    deep = type_name(cfg.get('codec')) == 'Hand3DHeatmap'
    resizes = [resized(picture, size[::-1]) for picture in pictures]
    packed = [
        steps(_results(picture, meta, single, corners, deep))
        for picture in resizes
    ]
    return dict(
        inputs=[item['inputs'] for item in packed],
        data_samples=[item['data_samples'] for item in packed],
    )


def input_size(cfg: Config) -> tuple[int, int]:
    """(W, H) that the config's codec is for."""
    for _, node in walk(cfg._cfg_dict):
        size = node.get('input_size')
        if isinstance(size, tuple | list):
            if len(size) == 2:
                return tuple(size)
            if len(size) == 3:
                return tuple(size[:2])
    return 256, 256


def _metainfo(cfg: Config) -> dict:
    dataset = cfg.train_dataloader.dataset
    nodes = [node for _, node in walk(dataset)]
    for node in nodes:
        info = node.get('metainfo')
        if info:
            return parse_pose_metainfo(info)
    for node in nodes:
        kind = type_name(node)
        info = getattr(DATASETS.get(kind) if kind else None, 'METAINFO', None)
        if info:
            return parse_pose_metainfo(info)
    # DeepFashion's depend on an argument.
    count = cfg.model.head.out_channels
    indices = list(range(count))
    return dict(
        num_keypoints=count, flip_indices=indices, dataset_name='drawn'
    )


def _steps(cfg: Config, training: bool) -> list[dict]:
    found: dict[str, dict] = {}
    for _, node in walk(cfg.train_dataloader):
        kind = type_name(node)
        if kind in TARGETS:
            found.setdefault(kind, dict(node))
    found.setdefault('PackPoseInputs', dict(type='PackPoseInputs'))
    steps = [found[kind] for kind in TARGETS if kind in found]
    return steps if training else steps[-1:]


def _keeps_corners(cfg: Config) -> bool:
    """Whether boxes are four corners, as rotation leaves them."""
    return any(
        node.get('bbox_keep_corner', True)
        for _, node in walk(cfg.train_dataloader)
        if type_name(node) == 'BottomupRandomAffine'
    )


def _results(
    picture: Picture, meta: dict, single: bool, corners: bool, deep: bool
) -> dict:
    """What a pipeline knows after its geometric steps."""
    height, width = picture.size
    count, people = meta['num_keypoints'], 1 if single else PEOPLE
    rng = np.random.default_rng(0)
    share = rng.uniform(0.2, 0.8, (people, count, 2)).astype(np.float32)
    known = picture.keypoints[:people, : min(count, 17), :2]
    keypoints = share * np.array([width, height], np.float32)
    inside = (known > 2).all(-1) & (known < [width - 2, height - 2]).all(-1)
    part = keypoints[: len(known), : known.shape[1]]
    part[inside] = known[inside]
    if deep:
        # In the plane of the hand's root.
        depth = np.zeros_like(keypoints[..., :1])
        keypoints = np.concatenate([keypoints, depth], -1)
    box = np.array([[0, 0, width, height]], np.float32)
    box = np.repeat(box, people, 0)
    centre = np.array([[width / 2, height / 2]], np.float32)
    scale = np.array([[width, height]], np.float32)
    visible = np.ones((people, count), np.float32)
    return dict(
        id=0,
        img_id=0,
        img_path='drawn.png',
        category_id=np.ones(people, np.int64),
        img=picture.image,
        img_shape=(height, width),
        ori_shape=(height, width),
        input_size=(width, height),
        input_center=centre[0],
        input_scale=scale[0],
        warp_mat=np.eye(3, dtype=np.float32)[:2],
        flip=False,
        flip_direction=None,
        flip_indices=meta['flip_indices'],
        keypoints=keypoints,
        transformed_keypoints=keypoints,
        keypoints_visible=visible,
        dataset_keypoint_weights=np.ones(count, np.float32),
        bbox=bbox_xyxy2corner(box) if corners else box,
        bboxes=box,
        bbox_score=np.ones(people, np.float32),
        bbox_scale=np.repeat(scale, people, 0),
        bbox_center=np.repeat(centre, people, 0),
        bbox_rotation=np.zeros(people, np.float32),
        area=np.full(people, width * height / 4, np.float32),
        iscrowd=[0] * people,
        raw_ann_info=[],
        dataset_name=meta['dataset_name'],
        # Of two hands.
        hand_type=np.array([[1, 0]], np.float32),
        hand_type_valid=np.ones(1, np.float32),
        rel_root_depth=np.zeros(1, np.float32),
        rel_root_valid=np.ones(1, np.float32),
        focal=np.ones(2, np.float32),
        principal_pt=np.zeros(2, np.float32),
    )
