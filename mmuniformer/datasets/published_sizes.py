"""Sizes of public data sets, for those whose files are elsewhere."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from mmengine.dataset import BaseDataset

# Samples of training, as the library's data set gives them. Kinetics is not
# here: its videos disappear, and each copy has a number of its own.
IMAGENET = 1_281_167
ADE20K = 20_210
# Images, and those that mmdet's filter_empty_gt leaves.
COCO, COCO_NOT_EMPTY = 118_287, 117_266
# One for each person with keypoints.
COCO_PEOPLE = 149_813
LISTS = {
    'sthv1_train_list_rawframes.txt': 86_017,
    'sthv2_train_list_rawframes.txt': 168_913,
    'ucf101_train_split_1_videos.txt': 9_537,
    'hmdb51_train_split_1_videos.txt': 3_570,
}


def published_size(kind: str, node: Mapping[str, Any]) -> int | None:
    """Samples of the training part of a public data set.

    Args:
        kind (str): Name of its class.
        node (Mapping): Its part of a config.

    Returns:
        int, optional: None if it is not one of those known here.
    """
    file = PurePath(node.get('ann_file') or '').name
    if kind == 'ImageNet' and node.get('split') == 'train':
        return IMAGENET
    if kind == 'ADE20KDataset':
        folder = (node.get('data_prefix') or {}).get('img_path', '')
        return ADE20K if PurePath(folder).name == 'training' else None
    if kind == 'CocoDataset' and file == 'instances_train2017.json':
        filtered = (node.get('filter_cfg') or {}).get('filter_empty_gt')
        return COCO_NOT_EMPTY if filtered else COCO
    if kind == 'CocoDataset' and file == 'person_keypoints_train2017.json':
        return COCO_PEOPLE
    return LISTS.get(file)


class Sized(BaseDataset):
    """A data set of so many samples, none of which can be read.

    Args:
        size (int): How many.
        metainfo (dict): Of the data set that it stands for.
    """

    def __init__(self, size: int, metainfo: dict[str, Any]) -> None:
        self.size = size
        self._metainfo = dict(metainfo)
        self._fully_initialized = True
        self.serialize_data = False
        self.test_mode = False

    def __len__(self) -> int:
        return self.size

    def full_init(self) -> None:
        """Has nothing to read."""

    def get_cat_ids(self, idx: int) -> list[int]:
        """No class: it is not known which."""
        return []
