_base_ = [
    '../../_base_/models/cascade-mask-rcnn_uniformer_fpn_4conv1fc-giou.py',
    '../../_base_/datasets/coco_instance_ms-crop.py',
    '../../_base_/schedules/coco_adamw-amp-3x.py',
    '../../_base_/default_runtime_det.py',
]

model = dict(backbone=dict(drop_path_rate=0.2))
