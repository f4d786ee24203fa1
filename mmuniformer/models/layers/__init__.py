from mmuniformer.models.layers.attention import SelfAttention
from mmuniformer.models.layers.block import MobileNetBlock, UniFormerBlock
from mmuniformer.models.layers.channels import (
    BATCH_NORMS,
    CHANNELS_LAST,
    CONVS,
    ChannelLayerNorm,
    ChannelLinear,
)
from mmuniformer.models.layers.embed import ConvEmbed, PatchEmbed
from mmuniformer.models.layers.hourglass import (
    HourglassBlock,
    TokenScores,
    pool_importance,
)
from mmuniformer.models.layers.recompute import run_block

__all__ = [
    'BATCH_NORMS',
    'CHANNELS_LAST',
    'CONVS',
    'ChannelLayerNorm',
    'ChannelLinear',
    'ConvEmbed',
    'HourglassBlock',
    'MobileNetBlock',
    'PatchEmbed',
    'SelfAttention',
    'TokenScores',
    'UniFormerBlock',
    'pool_importance',
    'run_block',
]
