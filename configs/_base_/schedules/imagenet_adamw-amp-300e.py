optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.05,
    ),
    # None for what has one dimension: norms, biases.
    paramwise_cfg=dict(flat_decay_mult=0.0),
)
# The rate is an epoch late: epochs 0 and 1 are the first of the warm-up.
param_scheduler = [
    dict(
        type='mmuniformer.EpochCosineLR',
        epochs=300,
        eta_min=1e-5,
        warmup_epochs=5,
        warmup_lr=1e-6,
        lag=1,
    )
]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()

# Weights and statistics are averaged, and the trained ones are tested.
custom_hooks = [
    dict(
        type='EMAHook',
        # 1 less the official decay.
        momentum=4e-5,
        update_buffers=True,
        evaluate_on_ema=False,
        evaluate_on_origin=True,
    )
]
auto_scale_lr = dict(base_batch_size=1024)
