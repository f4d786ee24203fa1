"""Data sets and transforms that no OpenMMLab library has."""

from mmuniformer.datasets.channel_order import ChannelOrder
from mmuniformer.datasets.check_labels import CheckLabels
from mmuniformer.datasets.clip_rand_augment import ClipRandAugment
from mmuniformer.datasets.dense_sample import DenseSample
from mmuniformer.datasets.repeat_augment import RepeatAugment
from mmuniformer.datasets.shuffle import ShuffleFrames

__all__ = [
    'ChannelOrder',
    'CheckLabels',
    'ClipRandAugment',
    'DenseSample',
    'RepeatAugment',
    'ShuffleFrames',
]
