"""Data sets and transforms that no OpenMMLab library has."""

from mmuniformer.datasets.channel_order import ChannelOrder
from mmuniformer.datasets.check_labels import CheckLabels
from mmuniformer.datasets.clip_rand_augment import ClipRandAugment
from mmuniformer.datasets.dense_sample import DenseSample
from mmuniformer.datasets.repeat_augment import RepeatAugment
from mmuniformer.datasets.shard_sampler import ShardSampler
from mmuniformer.datasets.sharded import ShardedImages
from mmuniformer.datasets.shuffle import ShuffleFrames
from mmuniformer.datasets.timm_augment import TimmAutoAugment, TimmRandAugment
from mmuniformer.datasets.token_labels import (
    LoadTokenLabel,
    TokenLabelCrop,
    TokenLabelFlip,
)

__all__ = [
    'ChannelOrder',
    'CheckLabels',
    'ClipRandAugment',
    'DenseSample',
    'LoadTokenLabel',
    'RepeatAugment',
    'ShardSampler',
    'ShardedImages',
    'ShuffleFrames',
    'TimmAutoAugment',
    'TimmRandAugment',
    'TokenLabelCrop',
    'TokenLabelFlip',
]
