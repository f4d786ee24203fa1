_base_ = './uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'

frames = dict(_base_.frames, clip_len=32)
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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
