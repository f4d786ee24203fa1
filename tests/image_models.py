"""Image classifiers of mmpretrain, as configs have them."""

import torch
from mmengine.registry import MODELS, init_default_scope


def classifier(backbone: dict, head: dict, pooled: bool) -> dict:
    return dict(
        type='ImageClassifier',
        backbone=dict(classifier=True, out_indices=(3,), **backbone),
        neck=dict(type='GlobalAveragePooling') if pooled else None,
        head=head,
    )


def plain(arch, channels=512, classes=1000) -> dict:
    return classifier(
        dict(type='mmuniformer.UniFormer', arch=arch),
        dict(type='LinearClsHead', num_classes=classes, in_channels=channels),
        pooled=True,
    )


def light(arch, channels=448, classes=1000) -> dict:
    head = dict(
        type='mmuniformer.ScoreTokenHead',
        head_type='LinearClsHead',
        num_classes=classes,
        in_channels=channels,
    )
    backbone = dict(
        type='mmuniformer.UniFormerLight', arch=arch, with_token=True
    )
    return classifier(backbone, head, pooled=True)


def with_token_labels(arch, channels=512, classes=1000, **head) -> dict:
    head = dict(
        type='mmuniformer.TokenLabelHead',
        num_classes=classes,
        in_channels=channels,
        **head,
    )
    backbone = dict(type='mmuniformer.UniFormer', arch=arch, mix_token=True)
    return classifier(backbone, head, pooled=False)


def build(config: dict) -> torch.nn.Module:
    init_default_scope('mmpretrain')
    return MODELS.build(config)
