from mmuniformer.models.backbones import UniFormer

__all__ = ['UniFormer']
