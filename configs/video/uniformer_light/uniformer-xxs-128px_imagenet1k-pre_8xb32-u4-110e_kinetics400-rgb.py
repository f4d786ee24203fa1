_base_ = [
    './uniformer-xxs-128px_imagenet1k-pre_4xb64-u8-110e_kinetics400-rgb.py'
]

frames = dict(type='UniformSample', clip_len=4)
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
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
