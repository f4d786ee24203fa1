_base_ = './kinetics400_plain-randaug.py'

# Sparse sampling: one frame of each of as many stretches of the whole video.
frames = dict(_delete_=True, type='UniformSample', clip_len=16)
augment = dict(
    _base_.augment,
    transforms=[
        *_base_.augment.transforms[:2],
        dict(type='Resize', scale=(160, 160), keep_ratio=False),
        *_base_.augment.transforms[3:],
    ],
)
train_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=16),
    dict(type='DecordDecode'),
    augment,
]
# One view of each video.
val_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=16, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 160)),
    dict(type='CenterCrop', crop_size=160),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'filename')),
]
test_pipeline = val_pipeline

train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
