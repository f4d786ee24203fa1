_base_ = './retinanet_uniformer-s-h14_fpn_amp-1x_coco.py'
# From the official model zoo, which keeps it on Google Drive.
pretrained = 'checkpoints/uniformer_xxs_224_in1k.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormerLight',
        arch='xxs',
        drop_path_rate=0.0,
        out_indices=(1, 2, 3),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    neck=dict(in_channels=[112, 224, 448]),
)

# The light models were trained in full precision.
optim_wrapper = dict(type='OptimWrapper')
