_base_ = './video_adamw-amp-110e.py'

train_cfg = dict(val_interval=1)

# In full precision: with mixed precision the light models met NaN.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=8e-4, betas=(0.9, 0.999), weight_decay=0.1
    ),
    paramwise_cfg=_base_.optim_wrapper.paramwise_cfg,
    clip_grad=_base_.optim_wrapper.clip_grad,
)
param_scheduler = [
    dict(_base_.param_scheduler[0], start_factor=1e-6 / 8e-4),
    _base_.param_scheduler[1],
]

auto_scale_lr = dict(base_batch_size=256)
