_base_ = './uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'

model = dict(backbone=dict(attention='divided'))
