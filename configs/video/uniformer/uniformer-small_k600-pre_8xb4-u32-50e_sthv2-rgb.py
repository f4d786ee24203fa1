_base_ = './uniformer-small_k400-pre_8xb4-u32-50e_sthv2-rgb.py'
pretrained = 'checkpoints/uniformer_small_k600_16x4.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))
