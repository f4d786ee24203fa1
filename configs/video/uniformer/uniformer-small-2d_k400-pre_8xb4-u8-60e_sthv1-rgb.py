_base_ = './uniformer-small_k400-pre_8xb4-u8-60e_sthv1-rgb.py'
pretrained = (
    'work_dirs/uniformer-small-2d_imagenet1k-pre_8xb16-8x8x1-100e_kinetics400-rgb'
    '/epoch_100.pth'
)

model = dict(
    backbone=dict(inflate=False, init_cfg=dict(checkpoint=pretrained))
)
