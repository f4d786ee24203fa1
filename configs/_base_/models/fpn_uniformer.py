_base_ = 'mmseg::_base_/models/fpn_r50.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(
    # Images smaller than the crop are padded to it.
    data_preprocessor=dict(size=(512, 512)),
    pretrained=None,
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='small',
        stage3='global',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[64, 128, 320, 512]),
    decode_head=dict(num_classes=150),
)
