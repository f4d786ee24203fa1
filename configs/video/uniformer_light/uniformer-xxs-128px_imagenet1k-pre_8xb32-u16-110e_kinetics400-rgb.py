_base_ = [
    '../../_base_/models/uniformer-light3d.py',
    '../../_base_/datasets/kinetics400_sparse_128px.py',
    '../../_base_/schedules/video_adamw-110e_light.py',
    '../../_base_/default_runtime_video.py',
]
pretrained = 'checkpoints/uniformer_xxs_128_in1k.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))
