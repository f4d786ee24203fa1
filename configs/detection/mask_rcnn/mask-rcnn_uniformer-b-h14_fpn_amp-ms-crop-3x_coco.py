_base_ = './mask-rcnn_uniformer-s-h14_fpn_amp-ms-crop-3x_coco.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        with_cp=[0, 0, 20, 0],
        init_cfg=dict(checkpoint=pretrained),
    )
)
