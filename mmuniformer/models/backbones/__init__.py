from mmuniformer.models.backbones.uniformer import UniFormer
from mmuniformer.models.backbones.uniformer3d import UniFormer3D
from mmuniformer.models.backbones.uniformer_light import (
    UniFormerLight,
    UniFormerLight3D,
)

__all__ = ['UniFormer', 'UniFormer3D', 'UniFormerLight', 'UniFormerLight3D']
