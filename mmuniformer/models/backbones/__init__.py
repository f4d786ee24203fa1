from mmuniformer.models.backbones.uniformer import UniFormer

__all__ = ['UniFormer']
