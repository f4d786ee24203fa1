"""Data sets and transforms that no OpenMMLab library has."""

from mmuniformer.datasets.check_labels import CheckLabels
from mmuniformer.datasets.repeat_augment import RepeatAugment
from mmuniformer.datasets.shuffle import ShuffleFrames

__all__ = ['CheckLabels', 'RepeatAugment', 'ShuffleFrames']
