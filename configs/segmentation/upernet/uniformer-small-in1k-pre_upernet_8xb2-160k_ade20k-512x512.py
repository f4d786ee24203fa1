_base_ = [
    '../../_base_/models/upernet_uniformer.py',
    '../../_base_/datasets/ade20k_2048x512.py',
    '../../_base_/schedules/ade20k_adamw-160k.py',
    '../../_base_/default_runtime_seg.py',
]

model = dict(backbone=dict(drop_path_rate=0.25))

train_dataloader = dict(batch_size=2)
