_base_ = 'mmdet::_base_/schedules/schedule_1x.py'

optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(
        _delete_=True,
        type='AdamW',
        lr=1e-4,
        betas=(0.9, 0.999),
        weight_decay=0.05,
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
param_scheduler = [
    dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=0.001,
        by_epoch=False,
        end=500,
    ),
    _base_.param_scheduler[1],
]
