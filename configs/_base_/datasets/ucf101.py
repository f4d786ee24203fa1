_base_ = './kinetics400_plain-randaug.py'

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
