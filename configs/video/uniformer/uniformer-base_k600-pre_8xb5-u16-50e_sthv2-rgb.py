_base_ = './uniformer-base_k400-pre_8xb5-u16-50e_sthv2-rgb.py'
pretrained = 'checkpoints/uniformer_base_k600_16x4.pth'

model = dict(
    backbone=dict(drop_path_rate=0.5, init_cfg=dict(checkpoint=pretrained))
)
