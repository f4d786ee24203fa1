_base_ = [
    '../../_base_/models/uniformer_token-labels.py',
    '../../_base_/datasets/imagenet_token-labels.py',
    '../../_base_/schedules/imagenet_adamw-amp-310e_token-labels.py',
    '../../_base_/default_runtime_token-labels.py',
]

model = dict(
    backbone=dict(arch='large', drop_path_rate=0.4),
    head=dict(in_channels=640),
)

optim_wrapper = dict(optimizer=dict(lr=1.2e-3))
