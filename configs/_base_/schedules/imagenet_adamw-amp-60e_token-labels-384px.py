_base_ = './imagenet_adamw-amp-310e_token-labels.py'

# One rate from start to end, and no average.
optim_wrapper = dict(optimizer=dict(lr=5e-6, weight_decay=1e-8))
param_scheduler = []
train_cfg = dict(max_epochs=60)
custom_hooks = []

auto_scale_lr = dict(base_batch_size=512)
