_base_ = './kinetics400.py'

# Uniform sampling: one frame of each of as many stretches of the whole video.
frames = dict(_delete_=True, type='UniformSample', clip_len=16)
# The published models see BGR here.
bgr = dict(type='mmuniformer.ChannelOrder', order='bgr')
# Left and right belong to the labels: no flip.
augment = dict(
    _base_.augment,
    transforms=[
        transform
        for transform in _base_.augment.transforms
        if transform.type != 'Flip'
    ],
)
train_pipeline = [
    dict(type='UniformSample', clip_len=16),
    dict(type='RawFrameDecode'),
    bgr,
    augment,
]
val_pipeline = [
    dict(type='UniformSample', clip_len=16, test_mode=True),
    dict(type='RawFrameDecode'),
    bgr,
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'frame_dir')),
]
test_pipeline = [
    dict(type='UniformSample', clip_len=16, test_mode=True),
    dict(type='RawFrameDecode'),
    bgr,
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'frame_dir')),
]

dataset_type = 'RawframeDataset'
data_root = 'data/sthv1/'
filename_tmpl = '{:05}.jpg'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='sthv1_train_list_rawframes.txt',
        data_prefix=dict(img='rawframes'),
        filename_tmpl=filename_tmpl,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='sthv1_val_list_rawframes.txt',
        data_prefix=dict(img='rawframes'),
        filename_tmpl=filename_tmpl,
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type=dataset_type,
        data_root=data_root,
        ann_file='sthv1_val_list_rawframes.txt',
        data_prefix=dict(img='rawframes'),
        filename_tmpl=filename_tmpl,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
