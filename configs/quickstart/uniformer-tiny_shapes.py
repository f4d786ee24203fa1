_base_ = [
    '../_base_/datasets/shapes_classification.py',
    '../_base_/default_runtime_cls.py',
]

# Small enough to learn from scratch in minutes on two CPU cores.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmuniformer.UniFormer',
        arch=dict(
            depths=(1, 1, 2, 1),
            embed_dims=(32, 64, 160, 256),
            head_dim=32,
            conv_stem=True,
        ),
        classifier=True,
        out_indices=(3,),
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=6,
        in_channels=256,
        topk=(1,),
    ),
)

max_epochs = 8
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict()
test_cfg = dict()
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=40),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=1,
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=7e-4, weight_decay=0.05),
    clip_grad=dict(max_norm=5.0),
)
default_hooks = dict(
    logger=dict(interval=56),
    checkpoint=dict(interval=max_epochs),
)
randomness = dict(seed=0)
