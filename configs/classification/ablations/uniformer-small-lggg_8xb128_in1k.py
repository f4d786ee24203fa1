_base_ = '../uniformer/uniformer-small_8xb128_in1k.py'

# Depths and strides are not published: these have the parameters and FLOPs of
# Table 15.
arch = dict(depths=(2, 4, 8, 3), embed_dims=(64, 128, 320, 512))
model = dict(
    backbone=dict(
        _delete_=True,
        **{
            **_base_.model.backbone,
            'arch': arch,
            'stage_types': 'LGGG',
            'kv_strides': (1, 2, 2, 1),
        },
    )
)
