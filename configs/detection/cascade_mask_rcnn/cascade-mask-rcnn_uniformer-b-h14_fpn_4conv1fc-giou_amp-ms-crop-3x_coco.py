_base_ = './cascade-mask-rcnn_uniformer-s-h14_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'  # noqa: E501
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.4,
        with_cp=[0, 0, 20, 0],
        init_cfg=dict(checkpoint=pretrained),
    )
)
