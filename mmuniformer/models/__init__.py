from mmuniformer.models.backbones import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.blending import MixupCutmix
from mmuniformer.models.heads import ScoreTokenHead

__all__ = [
    'MixupCutmix',
    'ScoreTokenHead',
    'UniFormer',
    'UniFormer3D',
    'UniFormerLight',
    'UniFormerLight3D',
]
