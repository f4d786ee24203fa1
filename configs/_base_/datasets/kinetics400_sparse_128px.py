_base_ = './kinetics400_sparse_160px.py'

augment = dict(
    _base_.augment,
    transforms=[
        *_base_.augment.transforms[:2],
        dict(type='Resize', scale=(128, 128), keep_ratio=False),
        *_base_.augment.transforms[3:],
    ],
)
train_pipeline = [*_base_.train_pipeline[:3], augment]
val_pipeline = [
    *_base_.val_pipeline[:3],
    dict(type='Resize', scale=(-1, 128)),
    dict(type='CenterCrop', crop_size=128),
    *_base_.val_pipeline[5:],
]
test_pipeline = val_pipeline

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
