_base_ = './fpn_uniformer-xxs_8xb4-80k_ade20k-512x512.py'
pretrained = 'checkpoints/uniformer_xs_224_in1k.pth'

model = dict(
    backbone=dict(
        arch='xs',
        drop_path_rate=0.1,
        init_cfg=dict(checkpoint=pretrained),
    ),
    neck=dict(in_channels=[64, 128, 256, 512]),
)
