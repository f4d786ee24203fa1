_base_ = './uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py'
pretrained = 'https://download.openmmlab.com/mmpose/v1/projects/uniformer/uniformer_base_in1k.pth'

model = dict(
    backbone=dict(
        arch='base', drop_path_rate=0.3, init_cfg=dict(checkpoint=pretrained)
    )
)

train_dataloader = dict(batch_size=5)

lr = 1.25e-4
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / lr),
    _base_.param_scheduler[1],
]
auto_scale_lr = dict(base_batch_size=40)
