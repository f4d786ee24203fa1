_base_ = './fpn_uniformer-b_8xb4-80k_ade20k-512x512.py'

model = dict(backbone=dict(stage3='hybrid', window_size=14))
