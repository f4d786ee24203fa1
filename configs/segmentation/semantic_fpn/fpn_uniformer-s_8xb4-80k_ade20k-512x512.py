_base_ = [
    '../../_base_/models/fpn_uniformer.py',
    '../../_base_/datasets/ade20k_2048x512_multiple-of-32.py',
    '../../_base_/schedules/ade20k_adamw-80k-cosine.py',
    '../../_base_/default_runtime_seg.py',
]

model = dict(backbone=dict(drop_path_rate=0.1))

# The official config repeats the data set 50 times, to read on where an epoch
# ends. mmseg's InfiniteSampler does that by itself.
train_dataloader = dict(batch_size=4)
