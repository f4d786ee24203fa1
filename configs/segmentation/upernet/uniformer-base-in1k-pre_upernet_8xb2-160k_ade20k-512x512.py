_base_ = './uniformer-small-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.4,
        with_cp=[0, 0, 2, 0],
        init_cfg=dict(checkpoint=pretrained),
    )
)
