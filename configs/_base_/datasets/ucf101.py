_base_ = './kinetics400.py'

# rand-m5-n2-mstd0.25. Unlike in Kinetics' policies, a larger magnitude here
# does not always change more: 5 leaves colours as they are.
policies = [
    dict(type='AutoContrast'),
    dict(type='Equalize'),
    dict(type='Invert'),
    dict(type='Rotate', magnitude_range=(0, 30)),
    # Bits are rounded up here: these are those of (0, 4) rounded down.
    dict(type='Posterize', magnitude_range=(-1, 3)),
    dict(type='Solarize', magnitude_range=(0, 256)),
    dict(type='SolarizeAdd', magnitude_range=(0, 110)),
    *[
        dict(type=kind, magnitude_range=(-0.9, 0.9), random_negative_prob=0.0)
        for kind in ('ColorTransform', 'Contrast', 'Brightness', 'Sharpness')
    ],
    *[
        dict(type=kind, magnitude_range=(0, largest), direction=direction)
        for kind, largest in (('Shear', 0.3), ('Translate', 0.45))
        for direction in ('horizontal', 'vertical')
    ],
]
augment = dict(
    _base_.augment,
    transforms=[
        dict(
            _base_.augment.transforms[0],
            transforms=[
                dict(
                    _scope_='mmpretrain',
                    type='RandAugment',
                    policies=policies,
                    num_policies=2,
                    magnitude_level=5,
                    magnitude_std=0.25,
                    hparams=dict(pad_val=_base_.grey, interpolation='bicubic'),
                )
            ],
        ),
        *_base_.augment.transforms[1:],
    ],
)
train_pipeline = [*_base_.train_pipeline[:3], augment]
five_clips = dict(_base_.frames, num_clips=5, test_mode=True)
test_pipeline = [
    _base_.test_pipeline[0],
    five_clips,
    *_base_.test_pipeline[2:4],
    dict(type='ThreeCrop', crop_size=224),
    *_base_.test_pipeline[5:],
]

# Split 1.
data_root = 'data/ucf101/'
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        data_root=data_root,
        ann_file='ucf101_train_split_1_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='ucf101_val_split_1_videos.txt',
        data_prefix=dict(video='videos'),
    )
)
test_dataloader = dict(
    batch_size=2,
    dataset=dict(
        data_root=data_root,
        ann_file='ucf101_val_split_1_videos.txt',
        data_prefix=dict(video='videos'),
        pipeline=test_pipeline,
    ),
)
