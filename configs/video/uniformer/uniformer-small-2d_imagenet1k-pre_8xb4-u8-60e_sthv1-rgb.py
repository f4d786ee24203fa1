_base_ = './uniformer-small_imagenet1k-pre_8xb4-u8-60e_sthv1-rgb.py'

model = dict(backbone=dict(inflate=False))
