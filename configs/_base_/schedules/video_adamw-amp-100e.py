_base_ = './video_adamw-amp-110e.py'

train_cfg = dict(max_epochs=100)
optim_wrapper = dict(optimizer=dict(lr=4e-4))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / 4e-4, end=10),
    dict(_base_.param_scheduler[1], begin=10, end=100),
]
auto_scale_lr = dict(base_batch_size=128)
