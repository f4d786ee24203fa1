dataset_type = 'VideoDataset'
data_root = 'data/kinetics400/'

# Dense sampling: frames of one stretch of a video. The stride counts frames of
# the file, whatever their rate.
frames = dict(type='mmuniformer.DenseSample', clip_len=16, frame_interval=4)
# For each channel: of a single number, a rotation fills the first alone.
grey = [128, 128, 128]
# Each clip twice in a step: rand-m7-n4-mstd0.5-inc1, random crop, flip and
# random erasing with noise of the mean and deviation of the data.
augment = dict(
    type='mmuniformer.RepeatAugment',
    num_repeats=2,
    transforms=[
        dict(
            type='mmuniformer.ClipRandAugment',
            policies='timm_increasing',
            num_policies=4,
            magnitude_level=7,
            magnitude_std=0.5,
            hparams=dict(pad_val=grey, interpolation='bicubic'),
        ),
        dict(
            type='RandomResizedCrop',
            area_range=(0.08, 1.0),
            aspect_ratio_range=(0.75, 1.3333),
        ),
        dict(type='Resize', scale=(224, 224), keep_ratio=False),
        dict(type='Flip', flip_ratio=0.5),
        dict(
            type='RandomErasing',
            erase_prob=0.25,
            mode='rand',
            fill_color=(114.75, 114.75, 114.75),
            fill_std=(57.375, 57.375, 57.375),
        ),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ],
)

train_pipeline = [
    dict(type='DecordInit'),
    frames,
    dict(type='DecordDecode'),
    augment,
]
val_pipeline = [
    dict(type='DecordInit'),
    dict(frames, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'filename')),
]
test_pipeline = [
    dict(type='DecordInit'),
    dict(frames, num_clips=4, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'filename')),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='repeat_pseudo_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='kinetics400_train_list_videos.txt',
        data_prefix=dict(video='videos_train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='kinetics400_val_list_videos.txt',
        data_prefix=dict(video='videos_val'),
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='kinetics400_val_list_videos.txt',
        data_prefix=dict(video='videos_val'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
