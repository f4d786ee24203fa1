_base_ = [
    '../../_base_/models/uniformer-light3d.py',
    '../../_base_/datasets/kinetics400_sparse_128px.py',
    '../../_base_/schedules/video_adamw-110e_light.py',
    '../../_base_/default_runtime_video.py',
]
pretrained = 'checkpoints/uniformer_xxs_128_in1k.pth'

model = dict(
    backbone=dict(
        layer_scale_init_value=0.1, init_cfg=dict(checkpoint=pretrained)
    )
)

# Plain "rand": two operations of magnitude 10, without noise.
randaug = dict(_base_.randaug, magnitude_level=10, magnitude_std=0.0)
augment = dict(
    _base_.augment, transforms=[randaug, *_base_.augment.transforms[1:]]
)
frames = dict(type='UniformSample', clip_len=8)
train_pipeline = [
    _base_.train_pipeline[0],
    frames,
    _base_.train_pipeline[2],
    augment,
]
val_pipeline = [
    _base_.val_pipeline[0],
    dict(frames, test_mode=True),
    *_base_.val_pipeline[2:],
]
test_pipeline = val_pipeline
train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

lr = 4e-4
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / lr),
    _base_.param_scheduler[1],
]
