_base_ = './mask-rcnn_uniformer-xxs_fpn_1x_coco.py'
pretrained = 'checkpoints/uniformer_xs_224_in1k.pth'

model = dict(
    backbone=dict(
        arch='xs',
        drop_path_rate=0.15,
        init_cfg=dict(checkpoint=pretrained),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
