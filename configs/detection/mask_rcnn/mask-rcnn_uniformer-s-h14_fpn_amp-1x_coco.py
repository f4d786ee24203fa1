_base_ = [
    '../../_base_/models/mask-rcnn_uniformer_fpn.py',
    'mmdet::_base_/datasets/coco_instance.py',
    '../../_base_/schedules/coco_adamw-amp-1x.py',
    '../../_base_/default_runtime_det.py',
]

# The paper's text says 0.1; the released model was trained with 0.2.
model = dict(backbone=dict(drop_path_rate=0.2))
