from mmuniformer.models.backbones.uniformer import UniFormer
from mmuniformer.models.backbones.uniformer3d import UniFormer3D

__all__ = ['UniFormer', 'UniFormer3D']
