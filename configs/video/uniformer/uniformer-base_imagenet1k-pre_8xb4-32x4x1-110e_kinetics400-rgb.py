_base_ = './uniformer-small_imagenet1k-pre_8xb4-32x4x1-110e_kinetics400-rgb.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base', drop_path_rate=0.3, init_cfg=dict(checkpoint=pretrained)
    )
)
