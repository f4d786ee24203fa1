train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=110, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05
    ),
    # Norms and biases are not decayed: whatever has one dimension.
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=20.0),
)
# At every iteration: from 1e-6 to the learning rate, and back to 1e-6.
param_scheduler = [
    dict(
        type='mmuniformer.LinearWarmupLR',
        start_factor=1e-6 / 1e-4,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        begin=10,
        end=110,
        convert_to_iter_based=True,
    ),
]

auto_scale_lr = dict(enable=False, base_batch_size=32)
