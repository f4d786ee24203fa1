_base_ = [
    '../../_base_/models/uniformer-light_cls.py',
    '../../_base_/datasets/imagenet_light_224px.py',
    '../../_base_/schedules/imagenet_adamw-600e.py',
    '../../_base_/default_runtime_cls.py',
]

# AutoAugment with timm's policy v0.
train_pipeline = [
    *_base_.train_pipeline[:3],
    dict(type='mmuniformer.TimmAutoAugment', interpolation='bicubic'),
    _base_.train_pipeline[4],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
