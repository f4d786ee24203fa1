from mmuniformer.models.backbones import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.blending import (
    BatchAugments,
    BatchErasing,
    BatchMixupCutmix,
    MixupCutmix,
)
from mmuniformer.models.heads import ScoreTokenHead, TokenLabelHead

__all__ = [
    'BatchAugments',
    'BatchErasing',
    'BatchMixupCutmix',
    'MixupCutmix',
    'ScoreTokenHead',
    'TokenLabelHead',
    'UniFormer',
    'UniFormer3D',
    'UniFormerLight',
    'UniFormerLight3D',
]
