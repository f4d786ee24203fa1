_base_ = './imagenet_adamw-amp-300e.py'

optim_wrapper = dict(optimizer=dict(lr=1.6e-3))
# 300 epochs, and ten more at the lowest rate; no epoch is late.
param_scheduler = [dict(_base_.param_scheduler[0], lag=0)]
train_cfg = dict(max_epochs=310)

# The average chooses the best checkpoint, and is tested.
custom_hooks = [dict(type='EMAHook', momentum=8e-5, update_buffers=True)]
