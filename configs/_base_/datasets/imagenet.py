dataset_type = 'ImageNet'
data_root = 'data/imagenet'

# Pillow's pixels, as torchvision reads them: without turning by EXIF.
load = dict(
    type='LoadImageFromFile',
    imdecode_backend='pillow',
    color_type='color_ignore_orientation',
)
# rand-m9-mstd0.5-inc1 behind crop and flip; erasing, Mixup and CutMix are the
# model's, on the batch.
train_pipeline = [
    load,
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='mmuniformer.TimmRandAugment',
        magnitude=9,
        magnitude_std=0.5,
        num_ops=2,
        interpolation='bicubic',
    ),
    dict(type='PackInputs'),
]
test_pipeline = [
    load,
    dict(
        type='ResizeEdge',
        scale=256,
        edge='short',
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]

train_dataloader = dict(
    batch_size=128,
    num_workers=10,
    drop_last=True,
    # Three copies of an image in a row; the order is that of the epoch alone.
    sampler=dict(type='RepeatAugSampler', num_repeats=3, seed=0),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=192,
    num_workers=10,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='val',
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
