_base_ = [
    '../../_base_/models/uniformer3d.py',
    '../../_base_/datasets/sthv1.py',
    '../../_base_/schedules/video_adamw-amp-60e.py',
    '../../_base_/default_runtime_video.py',
]
pretrained = 'https://download.openmmlab.com/mmaction/v1.0/recognition/uniformerv1/uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-c630a037.pth'

num_classes = 174
model = dict(
    backbone=dict(drop_path_rate=0.2, init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(num_classes=num_classes)),
)
