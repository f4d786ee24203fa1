_base_ = './uniformer-small_imagenet1k-pre_8xb16-8x8x1-100e_kinetics400-rgb.py'

model = dict(backbone=dict(inflate=False))
