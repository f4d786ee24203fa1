_base_ = [
    '../../_base_/models/uniformer_token-labels.py',
    '../../_base_/datasets/imagenet_token-labels.py',
    '../../_base_/schedules/imagenet_adamw-amp-310e_token-labels.py',
    '../../_base_/default_runtime_token-labels.py',
]

model = dict(backbone=dict(arch='small_plus'))
