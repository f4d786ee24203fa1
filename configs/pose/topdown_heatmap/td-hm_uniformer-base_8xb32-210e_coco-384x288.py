_base_ = './td-hm_uniformer-small_8xb128-210e_coco-384x288.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.5,
        init_cfg=dict(checkpoint=pretrained),
    )
)

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=256)
