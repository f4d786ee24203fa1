_base_ = './uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'
pretrained = 'checkpoints/uniformer_small_llll_in1k.pth'

# No such ImageNet model is public: train it, or start from nothing with
# init_cfg=None.
model = dict(
    backbone=dict(stage_types='LLLL', init_cfg=dict(checkpoint=pretrained))
)
