"""The summary of any data set, by the library that reads it."""

from mmuniformer.checks import keypoints, label_maps
from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.detection import coco, voc
from mmuniformer.checks.lists import images, shards, videos
from mmuniformer.checks.summary import Summary


def summary_of(data_set: DataSet, decode: bool = False) -> Summary | None:
    """Figures of a data set; None if nothing here can count it.

    Args:
        data_set (DataSet): Of a config.
        decode (bool): Whether to count in all files, where a part of many is
            looked at otherwise.
    """
    if shards.is_sharded(data_set):
        return shards.summary(data_set)
    match data_set.host:
        case 'mmdet':
            return coco.summary(data_set) or voc.summary(data_set)
        case 'mmseg':
            return label_maps.summary(data_set, decode)
        case 'mmpose':
            return keypoints.summary(data_set)
        case 'mmaction':
            return videos.summary(data_set)
        case 'mmpretrain':
            return images.summary(data_set)
    return None
