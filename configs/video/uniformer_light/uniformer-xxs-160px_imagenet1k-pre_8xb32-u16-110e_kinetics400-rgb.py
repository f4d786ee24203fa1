_base_ = [
    '../../_base_/models/uniformer-light3d.py',
    '../../_base_/datasets/kinetics400_sparse_160px.py',
    '../../_base_/schedules/video_adamw-110e_light.py',
    '../../_base_/default_runtime_video.py',
]

train_cfg = dict(val_interval=5)
