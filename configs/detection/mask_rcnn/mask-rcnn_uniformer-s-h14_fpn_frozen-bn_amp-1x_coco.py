_base_ = './mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py'

# Ours, without a published result: BatchNorm keeps its ImageNet statistics.
model = dict(backbone=dict(norm_eval=True))
