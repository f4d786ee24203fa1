_base_ = './ade20k_2048x512.py'

# Test images are resized twice: to the scale, then up to the next multiples
# of 32, which changes their ratio a little.
align = dict(type='ResizeToMultiple', size_divisor=32)
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2048, 512), keep_ratio=True),
    align,
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(
                    type='Resize',
                    scale=(int(2048 * ratio), int(512 * ratio)),
                    keep_ratio=True,
                )
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [align],
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
