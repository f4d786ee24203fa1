_base_ = './mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'

model = dict(backbone=dict(stage3='global'))
