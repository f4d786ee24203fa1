_base_ = './td-hm_uniformer-small_8xb128-210e_coco-256x192.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

# The paper's text says 0.5 for every UniFormer-B.
model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint=pretrained),
    )
)
