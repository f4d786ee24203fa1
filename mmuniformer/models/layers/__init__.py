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
from mmuniformer.models.layers.recompute import recompute_in_backward

__all__ = [
    'BATCH_NORMS',
    'CHANNELS_LAST',
    'CONVS',
    'ChannelLayerNorm',
    'ChannelLinear',
    'ConvEmbed',
    'MobileNetBlock',
    'PatchEmbed',
    'SelfAttention',
    'UniFormerBlock',
    'recompute_in_backward',
]
