_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/shapes_instance.py',
    '../_base_/default_runtime_det.py',
]

# Small enough to learn from scratch in minutes on two CPU cores: few channels
# and regions, levels and anchors for pictures of 160 pixels.
norm_cfg = dict(type='GN', num_groups=8)
roi_extractor = dict(
    roi_layer=dict(sampling_ratio=1), out_channels=64, finest_scale=28
)
model = dict(
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
        out_channels=64,
        num_outs=4,
        norm_cfg=dict(type='BN'),
    ),
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[4], strides=[4, 8, 16, 32]),
    ),
    roi_head=dict(
        bbox_roi_extractor=roi_extractor,
        bbox_head=dict(
            type='ConvFCBBoxHead',
            num_shared_convs=2,
            num_shared_fcs=1,
            in_channels=64,
            conv_out_channels=64,
            fc_out_channels=256,
            norm_cfg=norm_cfg,
            num_classes=6,
            reg_class_agnostic=True,
        ),
        mask_roi_extractor=roi_extractor,
        mask_head=dict(
            num_convs=2, in_channels=64, conv_out_channels=64, num_classes=6
        ),
    ),
    train_cfg=dict(
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=32, pos_fraction=0.5)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=20)
    ),
)

max_epochs = 6
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=80),
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
    clip_grad=dict(max_norm=10.0),
)
default_hooks = dict(
    logger=dict(interval=50),
    checkpoint=dict(interval=max_epochs),
)
randomness = dict(seed=0)
