_base_ = './fpn_uniformer-s_8xb4-80k_ade20k-512x512.py'
# From the official model zoo, which keeps it on Google Drive.
pretrained = 'checkpoints/uniformer_xxs_224_in1k.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormerLight',
        arch='xxs',
        drop_path_rate=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[56, 112, 224, 448]),
)
