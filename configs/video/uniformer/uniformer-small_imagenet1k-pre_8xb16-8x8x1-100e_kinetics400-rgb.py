_base_ = [
    '../../_base_/models/uniformer3d.py',
    '../../_base_/datasets/kinetics400.py',
    '../../_base_/schedules/video_adamw-amp-100e.py',
    '../../_base_/default_runtime_video.py',
]

frames = dict(_base_.frames, clip_len=8, frame_interval=8)
train_pipeline = [_base_.train_pipeline[0], frames, *_base_.train_pipeline[2:]]
val_pipeline = [
    _base_.val_pipeline[0],
    dict(frames, test_mode=True),
    *_base_.val_pipeline[2:],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(frames, num_clips=4, test_mode=True),
    *_base_.test_pipeline[2:],
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
