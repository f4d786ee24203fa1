_base_ = 'mmseg::_base_/schedules/schedule_80k.py'

optim_wrapper = dict(
    # Every parameter is decayed, norms too.
    optimizer=dict(
        _delete_=True,
        type='AdamW',
        lr=2e-4,
        betas=(0.9, 0.999),
        weight_decay=1e-4,
    ),
)
# Both from the first iteration on: as in mmcv 1, warm-up multiplies a
# learning rate that decays meanwhile.
param_scheduler = [
    dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.1,
        by_epoch=False,
        end=1000,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=1e-8,
        by_epoch=False,
        end=80000,
    ),
]

auto_scale_lr = dict(enable=False, base_batch_size=32)

train_cfg = dict(val_interval=4000)
default_hooks = dict(checkpoint=dict(interval=4000, max_keep_ckpts=3))
