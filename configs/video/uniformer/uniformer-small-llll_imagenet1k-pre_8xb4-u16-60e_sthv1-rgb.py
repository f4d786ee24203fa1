_base_ = './uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
pretrained = 'checkpoints/uniformer_small_llll_in1k.pth'

model = dict(
    backbone=dict(stage_types='LLLL', init_cfg=dict(checkpoint=pretrained))
)
