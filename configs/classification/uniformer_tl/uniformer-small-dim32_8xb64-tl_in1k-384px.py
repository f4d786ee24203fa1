_base_ = [
    '../../_base_/models/uniformer_token-labels.py',
    '../../_base_/datasets/imagenet_token-labels_384px.py',
    '../../_base_/schedules/imagenet_adamw-amp-60e_token-labels-384px.py',
    '../../_base_/default_runtime_token-labels.py',
]

model = dict(backbone=dict(arch='small_dim32'))

# The official file, or that of the config for 224 pixels published with its
# trained weights.
load_from = 'checkpoints/uniformer_small_tl_224.pth'
