model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmuniformer.UniFormer',
        arch='small',
        classifier=True,
        out_indices=(3,),
        drop_path_rate=0.1,
    ),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=512,
        # Labels are mixed and smoothed in the batch.
        loss=dict(type='CrossEntropyLoss', use_soft=True),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
    ),
    data_preprocessor=dict(
        type='ClsDataPreprocessor',
        num_classes=1000,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
        batch_augments=dict(
            augments=dict(
                type='mmuniformer.BatchAugments',
                augments=[
                    dict(type='mmuniformer.BatchErasing', prob=0.25),
                    dict(
                        type='mmuniformer.BatchMixupCutmix',
                        mixup_alpha=0.8,
                        cutmix_alpha=1.0,
                        switch_prob=0.5,
                        label_smoothing=0.1,
                    ),
                ],
            )
        ),
    ),
)
