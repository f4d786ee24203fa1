from mmuniformer.models.layers.attention import (
    ATTENTION_FORMS,
    Attention,
    AttentionWeights,
    SelfAttention,
)
from mmuniformer.models.layers.block import (
    DividedBlock,
    GlobalBlock,
    LocalBlock,
    MobileNetBlock,
    UniFormerBlock,
)
from mmuniformer.models.layers.channels import (
    BATCH_NORMS,
    CHANNELS_LAST,
    CONVS,
    ChannelLayerNorm,
)
from mmuniformer.models.layers.embed import ConvEmbed, PatchEmbed
from mmuniformer.models.layers.hourglass import HourglassBlock
from mmuniformer.models.layers.outputs import hand_out
from mmuniformer.models.layers.recompute import (
    recompute_in_backward,
    run_block,
)
from mmuniformer.models.layers.recording import (
    for_any_size,
    in_older_exporter,
    sizes_open,
)
from mmuniformer.models.layers.scores import TokenScores, pool_importance

__all__ = [
    'ATTENTION_FORMS',
    'BATCH_NORMS',
    'CHANNELS_LAST',
    'CONVS',
    'Attention',
    'AttentionWeights',
    'ChannelLayerNorm',
    'ConvEmbed',
    'DividedBlock',
    'GlobalBlock',
    'HourglassBlock',
    'LocalBlock',
    'MobileNetBlock',
    'PatchEmbed',
    'SelfAttention',
    'TokenScores',
    'UniFormerBlock',
    'for_any_size',
    'hand_out',
    'in_older_exporter',
    'pool_importance',
    'recompute_in_backward',
    'run_block',
    'sizes_open',
]
