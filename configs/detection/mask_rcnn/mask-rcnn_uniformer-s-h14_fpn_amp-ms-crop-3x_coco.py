_base_ = [
    '../../_base_/models/mask-rcnn_uniformer_fpn.py',
    '../../_base_/datasets/coco_instance_ms-crop.py',
    '../../_base_/schedules/coco_adamw-amp-3x.py',
    '../../_base_/default_runtime_det.py',
]

model = dict(backbone=dict(drop_path_rate=0.1))
