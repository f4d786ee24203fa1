_base_ = './video_adamw-amp-110e.py'

train_cfg = dict(max_epochs=25, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=5e-5))
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / 5e-5, end=5),
    dict(_base_.param_scheduler[1], begin=5, end=25),
]
auto_scale_lr = dict(base_batch_size=128)
