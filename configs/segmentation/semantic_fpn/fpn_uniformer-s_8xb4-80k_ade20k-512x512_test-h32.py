_base_ = './fpn_uniformer-s_8xb4-80k_ade20k-512x512.py'

# For testing: the weights are those of the config above.
model = dict(backbone=dict(test_stage3=dict(stage3='hybrid', window_size=32)))
