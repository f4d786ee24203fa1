_base_ = [
    'mmseg::_base_/models/fpn_r50.py',
    '../_base_/datasets/shapes_semantic.py',
    'mmseg::_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime_seg.py',
]

# Small enough to learn from scratch in minutes on two CPU cores.
model = dict(
    # Padding is background: mmseg's weights of classes know no 255.
    data_preprocessor=dict(size=(160, 160), seg_pad_val=0),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch=dict(
            depths=(1, 1, 2, 1),
            embed_dims=(32, 64, 160, 256),
            head_dim=32,
            conv_stem=True,
        ),
    ),
    neck=dict(
        in_channels=[32, 64, 160, 256],
        out_channels=48,
        norm_cfg=dict(type='BN'),
    ),
    decode_head=dict(
        in_channels=[48, 48, 48, 48],
        channels=48,
        num_classes=7,
        norm_cfg=dict(type='BN'),
        # Most pixels are background.
        loss_decode=dict(class_weight=[0.3] + [1.0] * 6),
    ),
)

# A larger batch takes less time for each image.
train_dataloader = dict(batch_size=8)
max_iters = 1400
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=20),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=20,
        end=max_iters,
        by_epoch=False,
    ),
]
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
)
default_hooks = dict(
    logger=dict(interval=25),
    checkpoint=dict(interval=max_iters),
)
randomness = dict(seed=0)
