_base_ = './imagenet.py'

# Flip and RandAugment take the whole image and its label map; the crop comes
# last, and its place goes to the head with the whole map.
train_pipeline = [
    _base_.load,
    dict(
        type='mmuniformer.LoadTokenLabel',
        label_root='data/imagenet/label_top5_train_nfnet',
        num_classes=1000,
    ),
    dict(type='mmuniformer.TokenLabelFlip', prob=0.5),
    dict(
        type='mmuniformer.TimmRandAugment',
        magnitude=9,
        magnitude_std=0.5,
        num_ops=2,
        # Bilinear or bicubic, drawn for each operation.
        interpolation='random',
    ),
    dict(
        type='mmuniformer.TokenLabelCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        interpolation='random',
    ),
    dict(type='PackInputs', algorithm_keys=('token_label', 'token_crop')),
]
# A short side of 224 / 0.9, rounded down.
test_pipeline = [
    _base_.test_pipeline[0],
    dict(_base_.test_pipeline[1], scale=248),
    *_base_.test_pipeline[2:],
]

train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True, seed=0),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(batch_size=128, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
