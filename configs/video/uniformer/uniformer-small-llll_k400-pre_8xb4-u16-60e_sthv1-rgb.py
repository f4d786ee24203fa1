_base_ = './uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
pretrained = (
    'work_dirs/uniformer-small-llll_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb'
    '/epoch_110.pth'
)

model = dict(
    backbone=dict(stage_types='LLLL', init_cfg=dict(checkpoint=pretrained))
)
