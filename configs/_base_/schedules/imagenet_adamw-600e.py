_base_ = './imagenet_adamw-amp-300e.py'

# In full precision.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(
        _base_.optim_wrapper.optimizer, lr=3.2e-3, weight_decay=0.1
    ),
    paramwise_cfg=dict(
        flat_decay_mult=0.0,
        custom_keys={'.cls_token': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(_base_.param_scheduler[0], epochs=600, warmup_epochs=30)
]
train_cfg = dict(max_epochs=600)
custom_hooks = [dict(_base_.custom_hooks[0], momentum=1e-4)]

auto_scale_lr = dict(base_batch_size=4096)
