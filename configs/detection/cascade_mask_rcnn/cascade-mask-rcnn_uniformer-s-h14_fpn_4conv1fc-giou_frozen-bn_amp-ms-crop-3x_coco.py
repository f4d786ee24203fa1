_base_ = './cascade-mask-rcnn_uniformer-s-h14_fpn_4conv1fc-giou_amp-ms-crop-3x_coco.py'  # noqa: E501

# Ours, without a published result: BatchNorm keeps its ImageNet statistics.
model = dict(backbone=dict(norm_eval=True))
