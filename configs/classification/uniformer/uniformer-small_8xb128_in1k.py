_base_ = [
    '../../_base_/models/uniformer_cls.py',
    '../../_base_/datasets/imagenet.py',
    '../../_base_/schedules/imagenet_adamw-amp-300e.py',
    '../../_base_/default_runtime_cls.py',
]
