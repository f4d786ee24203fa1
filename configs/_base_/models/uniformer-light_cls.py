_base_ = './uniformer_cls.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmuniformer.UniFormerLight',
        arch='xxs',
        classifier=True,
        # The score token learns from a loss of its own.
        with_token=True,
        out_indices=(3,),
        drop_path_rate=0.0,
    ),
    head=dict(
        _delete_=True,
        **{
            **_base_.model.head,
            'type': 'mmuniformer.ScoreTokenHead',
            'head_type': 'LinearClsHead',
            'token_weight': 0.5,
            'in_channels': 448,
        },
    ),
)
