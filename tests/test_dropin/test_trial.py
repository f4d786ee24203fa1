"""A model that is tried on small pictures, as it is and made smaller."""

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.dropin.trial import model_node, reduce, try_model

# The sines of its reference points are for that many.
CHANNELS = 256
DECODING = dict(embed_dims=CHANNELS, num_levels=4, num_heads=4)
FEEDING = dict(embed_dims=CHANNELS, feedforward_channels=CHANNELS)


def dino() -> Config:
    """Two stages: queries are chosen among the places of the maps."""
    tiny = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 24, 32), head_dim=8)
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(
                type='mmdet.DINO',
                num_queries=900,
                with_box_refine=True,
                as_two_stage=True,
                data_preprocessor=dict(
                    type='mmdet.DetDataPreprocessor', pad_size_divisor=1
                ),
                backbone=dict(
                    type='mmuniformer.UniFormer',
                    arch=tiny,
                    out_indices=(1, 2, 3),
                ),
                neck=dict(
                    type='mmdet.ChannelMapper',
                    in_channels=[16, 24, 32],
                    out_channels=CHANNELS,
                    num_outs=4,
                ),
                encoder=dict(
                    num_layers=1,
                    layer_cfg=dict(self_attn_cfg=DECODING, ffn_cfg=FEEDING),
                ),
                decoder=dict(
                    num_layers=1,
                    return_intermediate=True,
                    layer_cfg=dict(
                        self_attn_cfg=dict(embed_dims=CHANNELS, num_heads=4),
                        cross_attn_cfg=DECODING,
                        ffn_cfg=FEEDING,
                    ),
                    post_norm_cfg=None,
                ),
                positional_encoding=dict(
                    num_feats=CHANNELS // 2, normalize=True
                ),
                bbox_head=dict(
                    type='mmdet.DINOHead',
                    num_classes=6,
                    embed_dims=CHANNELS,
                    loss_cls=dict(type='mmdet.FocalLoss', use_sigmoid=True),
                ),
                dn_cfg=dict(
                    label_noise_scale=0.5,
                    box_noise_scale=1.0,
                    group_cfg=dict(dynamic=True, num_dn_queries=10),
                ),
                train_cfg=dict(
                    assigner=dict(
                        type='mmdet.HungarianAssigner',
                        match_costs=[
                            dict(type='mmdet.FocalLossCost', weight=2.0)
                        ],
                    )
                ),
            ),
        )
    )


def test_more_queries_than_a_small_picture_has_places():
    cfg = dino()
    init_default_scope('mmdet')
    assert try_model(cfg)['loss'] > 0
    # What is tried is no longer what is written.
    assert cfg.model.num_queries == 900


def test_pictures_are_filled_up_to_less():
    size = (1024, 512)
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=dict(
                data_preprocessor=dict(size=size),
                train_cfg=dict(sampler=dict(type='RandomSampler', num=512)),
            ),
        )
    )
    reduce(cfg)
    assert cfg.model.data_preprocessor.size == (256, 256)
    assert cfg.model.train_cfg.sampler.num == 16


def test_no_file_is_asked_for():
    class PretrainedInit:
        """As a pure Python config has it."""

    for kind in ('Pretrained', PretrainedInit):
        head = dict(type='H', init_cfg=dict(type=kind, checkpoint='x.pth'))
        cfg = Config(dict(model=dict(head=head, pretrained='y.pth')))
        node = model_node(cfg)
        assert node['head']['init_cfg'] is None
        assert node['pretrained'] is None
