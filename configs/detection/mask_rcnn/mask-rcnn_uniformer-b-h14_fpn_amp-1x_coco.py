_base_ = './mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        with_cp=False,
        init_cfg=dict(checkpoint=pretrained),
    )
)
