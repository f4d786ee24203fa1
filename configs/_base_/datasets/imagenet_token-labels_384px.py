_base_ = './imagenet_token-labels.py'

train_pipeline = [
    *_base_.train_pipeline[:4],
    dict(_base_.train_pipeline[4], scale=384),
    _base_.train_pipeline[5],
]
test_pipeline = [
    _base_.test_pipeline[0],
    dict(_base_.test_pipeline[1], scale=426),
    dict(type='CenterCrop', crop_size=384),
    _base_.test_pipeline[3],
]

train_dataloader = dict(batch_size=64, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=64, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
