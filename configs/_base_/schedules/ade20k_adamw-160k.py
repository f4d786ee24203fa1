_base_ = 'mmseg::_base_/schedules/schedule_160k.py'

optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='AdamW',
        lr=6e-5,
        betas=(0.9, 0.999),
        weight_decay=0.01,
    ),
    # The official keys: 'norm' covers every norm of the backbone, the other
    # two match nothing in UniFormer. Biases are decayed.
    paramwise_cfg=dict(
        custom_keys={
            'absolute_pos_embed': dict(decay_mult=0.0),
            'relative_position_bias_table': dict(decay_mult=0.0),
            'norm': dict(decay_mult=0.0),
        }
    ),
)
# Both from the first iteration on: as in mmcv 1, warm-up multiplies a
# learning rate that decays meanwhile.
param_scheduler = [
    dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=1e-6,
        by_epoch=False,
        end=1500,
    ),
    dict(
        type='mmuniformer.PolyDecayLR',
        power=1.0,
        eta_min=0.0,
        by_epoch=False,
        end=160000,
    ),
]

auto_scale_lr = dict(enable=False, base_batch_size=16)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
