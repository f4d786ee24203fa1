_base_ = './kinetics400.py'

# rand-m5-n2-mstd0.25. Unlike in Kinetics' policies, a larger magnitude here
# does not always change more: 5 leaves colours as they are.
policies = [
    dict(type='AutoContrast'),
    dict(type='Equalize'),
    dict(type='Invert'),
    dict(type='Rotate', magnitude_range=(0, 30)),
    # Bits are rounded up here: these are those of (0, 4) rounded down, and 4
    # for the largest magnitude.
    dict(type='Posterize', magnitude_range=(-0.9999, 3.0001)),
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
randaug = dict(
    _base_.augment.transforms[0],
    policies=policies,
    num_policies=2,
    magnitude_level=5,
    magnitude_std=0.25,
)
augment = dict(
    _base_.augment, transforms=[randaug, *_base_.augment.transforms[1:]]
)
train_pipeline = [*_base_.train_pipeline[:3], augment]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
