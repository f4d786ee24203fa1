_base_ = [
    '../_base_/datasets/shapes_video.py',
    '../_base_/default_runtime_video.py',
]

# Small enough to learn from scratch in minutes on two CPU cores.
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW',
    ),
    backbone=dict(
        type='mmuniformer.UniFormer3D',
        arch=dict(
            depths=(1, 1, 2, 1), embed_dims=(32, 64, 128, 192), head_dim=32
        ),
    ),
    cls_head=dict(
        type='I3DHead',
        in_channels=192,
        num_classes=6,
        dropout_ratio=0.0,
        average_clips='prob',
    ),
)

max_epochs = 24
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=40),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=1,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=max_epochs),
)
randomness = dict(seed=0)
