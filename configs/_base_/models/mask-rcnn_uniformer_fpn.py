_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
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
)
