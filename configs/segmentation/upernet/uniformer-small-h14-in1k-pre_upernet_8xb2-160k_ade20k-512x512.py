_base_ = './uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'

model = dict(backbone=dict(stage3='hybrid', window_size=14))
