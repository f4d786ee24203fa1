_base_ = './uniformer_cls.py'

model = dict(
    backbone=dict(mix_token=True),
    # It takes the mean itself.
    neck=None,
    head=dict(
        _delete_=True,
        type='mmuniformer.TokenLabelHead',
        num_classes=1000,
        in_channels=512,
        aux_loss_weight=1.0,
        aux_score_weight=0.5,
        label_smoothing=0.1,
        # Crops of label maps mirrored across the diagonal, as the published
        # models were trained; docs/classification.md.
        swap_axes=True,
    ),
    data_preprocessor=dict(
        batch_augments=dict(
            augments=dict(
                _delete_=True, type='mmuniformer.BatchErasing', prob=0.25
            )
        )
    ),
)
