_base_ = [
    '../../_base_/models/uniformer-light3d.py',
    '../../_base_/datasets/kinetics400_sparse_160px.py',
    '../../_base_/schedules/video_adamw-110e_light.py',
    '../../_base_/default_runtime_video.py',
]
pretrained = 'checkpoints/uniformer_xs_192_in1k.pth'

model = dict(
    backbone=dict(
        arch='xs', drop_path_rate=0.1, init_cfg=dict(checkpoint=pretrained)
    ),
    cls_head=dict(in_channels=512),
)

# rand-m7-n4-mstd0.5-inc1, as for the full-size models.
randaug = dict(
    _base_.randaug,
    policies='timm_increasing',
    num_policies=4,
    magnitude_level=7,
    magnitude_std=0.5,
)
augment = dict(
    _base_.augment,
    transforms=[
        randaug,
        _base_.augment.transforms[1],
        dict(type='Resize', scale=(192, 192), keep_ratio=False),
        *_base_.augment.transforms[3:],
    ],
)
frames = dict(type='UniformSample', clip_len=32)
train_pipeline = [
    _base_.train_pipeline[0],
    frames,
    _base_.train_pipeline[2],
    augment,
]
val_pipeline = [
    _base_.val_pipeline[0],
    dict(frames, test_mode=True),
    _base_.val_pipeline[2],
    dict(type='Resize', scale=(-1, 192)),
    dict(type='CenterCrop', crop_size=192),
    *_base_.val_pipeline[5:],
]
test_pipeline = val_pipeline
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

lr = 4e-4
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=0.05))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / lr),
    _base_.param_scheduler[1],
]
auto_scale_lr = dict(base_batch_size=128)
