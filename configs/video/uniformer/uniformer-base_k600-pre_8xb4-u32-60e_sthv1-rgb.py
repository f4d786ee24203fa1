_base_ = './uniformer-base_k400-pre_8xb4-u32-60e_sthv1-rgb.py'
pretrained = 'checkpoints/uniformer_base_k600_16x4.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))
