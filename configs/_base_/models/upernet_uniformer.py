_base_ = 'mmseg::_base_/models/upernet_swin.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

model = dict(
    # Images smaller than the crop are padded to it.
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='small',
        stage3='global',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512], num_classes=150),
    auxiliary_head=dict(in_channels=320, num_classes=150),
)
