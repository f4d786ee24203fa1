"""The summary of any data set, by the library that reads it."""

from importlib import import_module
from importlib.util import find_spec

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.summary import Summary

# The module of this room that knows the annotations of a library.
MODULES = {
    'mmdet': 'coco',
    'mmseg': 'label_maps',
    'mmpose': 'keypoints',
    'mmaction': 'video_lists',
    'mmpretrain': 'image_lists',
}


def summary_of(data_set: DataSet) -> Summary | None:
    """Figures of a data set; None if nothing here can count it.

    Args:
        data_set (DataSet): Of a config.
    """
    name = f'mmuniformer.checks.{MODULES.get(data_set.host)}'
    if data_set.host not in MODULES or find_spec(name) is None:
        return None
    summary = getattr(import_module(name), 'summary', None)
    return None if summary is None else summary(data_set)
