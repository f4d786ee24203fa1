_base_ = './uniformer-small_k400-pre_8xb4-u16-60e_sthv1-rgb.py'
pretrained = 'https://download.openmmlab.com/mmaction/v1.0/recognition/uniformerv1/uniformer-base_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-157c2e66.pth'

model = dict(
    backbone=dict(
        arch='base', drop_path_rate=0.6, init_cfg=dict(checkpoint=pretrained)
    )
)

train_dataloader = dict(batch_size=5)

lr = 2.5e-4
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / lr),
    _base_.param_scheduler[1],
]
auto_scale_lr = dict(base_batch_size=40)
