_base_ = [
    '../../_base_/models/uniformer-light_cls.py',
    '../../_base_/datasets/imagenet_light_224px.py',
    '../../_base_/schedules/imagenet_adamw-600e.py',
    '../../_base_/default_runtime_cls.py',
]

model = dict(
    backbone=dict(arch='xs', drop_path_rate=0.1), head=dict(in_channels=512)
)

optim_wrapper = dict(optimizer=dict(lr=4e-3, weight_decay=0.05))
