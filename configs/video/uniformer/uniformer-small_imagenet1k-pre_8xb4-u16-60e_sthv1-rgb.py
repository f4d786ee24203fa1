_base_ = './uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))
