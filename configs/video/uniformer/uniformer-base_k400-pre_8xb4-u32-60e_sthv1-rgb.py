_base_ = './uniformer-small_k400-pre_8xb4-u32-60e_sthv1-rgb.py'
pretrained = 'https://download.openmmlab.com/mmaction/v1.0/recognition/uniformerv1/uniformer-base_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-157c2e66.pth'

model = dict(
    backbone=dict(
        arch='base', drop_path_rate=0.6, init_cfg=dict(checkpoint=pretrained)
    )
)
