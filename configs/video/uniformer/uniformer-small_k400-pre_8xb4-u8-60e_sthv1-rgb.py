_base_ = './uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
pretrained = (
    'work_dirs/uniformer-small_imagenet1k-pre_8xb16-8x8x1-100e_kinetics400-rgb'
    '/epoch_100.pth'
)

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

frames = dict(type='UniformSample', clip_len=8)
train_pipeline = [frames, *_base_.train_pipeline[1:]]
val_pipeline = [dict(frames, test_mode=True), *_base_.val_pipeline[1:]]
test_pipeline = [dict(frames, test_mode=True), *_base_.test_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
