dataset_type = 'VideoDataset'
data_root = 'data/shapes_video/'
metainfo = dict(
    classes=(
        'left',
        'right',
        'up',
        'down',
        'grow',
        'shrink',
    )
)

# OpenCV wrote these videos, so it reads them on every platform.
frames = dict(type='SampleFrames', clip_len=8, frame_interval=2)
train_pipeline = [
    dict(type='OpenCVInit'),
    frames,
    dict(type='OpenCVDecode'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    # A mirrored motion is another one.
    dict(type='Flip', flip_label_map={0: 1, 1: 0}),
    dict(type='Flip', direction='vertical', flip_label_map={2: 3, 3: 2}),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='OpenCVInit'),
    dict(frames, test_mode=True),
    dict(type='OpenCVDecode'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'filename')),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        ann_file='shapes_train_list_videos.txt',
        data_prefix=dict(video='videos_train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        ann_file='shapes_val_list_videos.txt',
        data_prefix=dict(video='videos_val'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
