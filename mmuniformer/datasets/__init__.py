"""Data sets and transforms that no OpenMMLab library has."""

from mmuniformer.datasets.labels import CheckLabels
from mmuniformer.datasets.repeat_augment import RepeatAugment

__all__ = ['CheckLabels', 'RepeatAugment']
