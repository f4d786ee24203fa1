_base_ = './uniformer3d.py'
# From the official model zoo, which keeps it on Google Drive.
pretrained = 'checkpoints/uniformer_xxs_160_in1k.pth'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormerLight3D',
        arch='xxs',
        # The score token learns from a loss of its own.
        with_token=True,
        drop_path_rate=0.05,
        with_cp=[0, 0, 4, 0],
        init_cfg=dict(type='Pretrained', checkpoint=pretrained),
    ),
    cls_head=dict(
        type='mmuniformer.ScoreTokenHead',
        head_type='I3DHead',
        token_weight=0.5,
        in_channels=448,
    ),
)
