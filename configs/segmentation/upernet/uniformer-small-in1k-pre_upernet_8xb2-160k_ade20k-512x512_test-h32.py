_base_ = './uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'

# For testing: the weights are those of the config above.
model = dict(backbone=dict(test_stage3=dict(stage3='hybrid', window_size=32)))
