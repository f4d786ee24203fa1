_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    'mmdet::_base_/datasets/coco_detection.py',
    '../../_base_/schedules/coco_adamw-amp-1x.py',
    '../../_base_/default_runtime_det.py',
]
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_small_in1k.pth'

# No experiment of the paper: backbone and schedule of its Mask R-CNN, for data
# without masks.
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormer',
        arch='small',
        stage3='hybrid',
        window_size=14,
        drop_path_rate=0.2,
        with_cp=[0, 0, 8, 0],
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[64, 128, 320, 512]),
)
