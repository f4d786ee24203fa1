_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='small',
        stage3='hybrid',
        window_size=14,
        with_cp=[0, 0, 8, 0],
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[64, 128, 320, 512]),
    roi_head=dict(
        # One head per stage of the cascade: they differ in the spread of the
        # boxes that they refine.
        bbox_head=[
            dict(
                type='ConvFCBBoxHead',
                num_shared_convs=4,
                num_shared_fcs=1,
                in_channels=256,
                conv_out_channels=256,
                fc_out_channels=1024,
                roi_feat_size=7,
                num_classes=80,
                bbox_coder=dict(
                    type='DeltaXYWHBBoxCoder',
                    target_means=[0.0, 0.0, 0.0, 0.0],
                    target_stds=target_stds,
                ),
                reg_class_agnostic=False,
                reg_decoded_bbox=True,
                norm_cfg=dict(type='SyncBN', requires_grad=True),
                loss_cls=dict(
                    type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0
                ),
                loss_bbox=dict(type='GIoULoss', loss_weight=10.0),
            )
            for target_stds in (
                [0.1, 0.1, 0.2, 0.2],
                [0.05, 0.05, 0.1, 0.1],
                [0.033, 0.033, 0.067, 0.067],
            )
        ],
    ),
)
