_base_ = [
    '../_base_/datasets/shapes_keypoint.py',
    '../_base_/default_runtime_pose.py',
]

# Small enough to learn from scratch in minutes on two CPU cores: few channels,
# and three stages, whose last map is large enough for a crop of 128 pixels.
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='mmuniformer.UniFormer',
        arch=dict(
            depths=(1, 1, 4, 1),
            embed_dims=(32, 64, 160, 256),
            head_dim=32,
            conv_stem=True,
        ),
        out_indices=(2,),
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=160,
        out_channels=17,
        deconv_out_channels=(64, 64),
        deconv_kernel_sizes=(4, 4),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
)

max_epochs = 40
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=30),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=2,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
)
default_hooks = dict(
    logger=dict(interval=15),
    checkpoint=dict(interval=max_epochs),
)
randomness = dict(seed=0)
