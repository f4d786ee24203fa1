_base_ = [
    '../../_base_/models/uniformer-light3d.py',
    '../../_base_/datasets/kinetics400_sparse_160px.py',
    '../../_base_/schedules/video_adamw-110e_light.py',
    '../../_base_/default_runtime_video.py',
]

frames = dict(type='UniformSample', clip_len=32)
train_pipeline = [
    _base_.train_pipeline[0],
    frames,
    *_base_.train_pipeline[2:],
]
val_pipeline = [
    _base_.val_pipeline[0],
    dict(frames, test_mode=True),
    *_base_.val_pipeline[2:],
]
test_pipeline = val_pipeline
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
