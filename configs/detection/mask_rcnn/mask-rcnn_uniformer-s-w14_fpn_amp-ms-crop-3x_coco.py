_base_ = './mask-rcnn_uniformer-s-h14_fpn_amp-ms-crop-3x_coco.py'

model = dict(backbone=dict(stage3='window'))
