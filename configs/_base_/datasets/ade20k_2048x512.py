_base_ = 'mmseg::_base_/datasets/ade20k.py'

# The scales of the multi-scale test are those of the published tests:
# (2048, 512) times the ratio. mmseg's own tta_pipeline multiplies the size
# of the file by it.
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
            [
                dict(type='RandomFlip', prob=0.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
