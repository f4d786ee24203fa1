_base_ = './fpn_uniformer-s_8xb4-80k_ade20k-512x512.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.2,
        init_cfg=dict(checkpoint=pretrained),
    )
)
