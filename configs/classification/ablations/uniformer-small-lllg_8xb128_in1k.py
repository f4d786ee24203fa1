_base_ = '../uniformer/uniformer-small_8xb128_in1k.py'

# The only depths with the parameters and FLOPs of Table 15.
arch = dict(depths=(3, 5, 10, 3), embed_dims=(64, 128, 320, 512))
model = dict(
    backbone=dict(
        _delete_=True,
        **{
            **_base_.model.backbone,
            'arch': arch,
            'stage_types': 'LLLG',
        },
    )
)
