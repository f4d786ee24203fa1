_base_ = './td-hm_uniformer-small_8xb64-210e_coco-448x320.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

# The paper's text says 0.5 for every UniFormer-B.
model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.55,
        init_cfg=dict(checkpoint=pretrained),
    )
)

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=256)
