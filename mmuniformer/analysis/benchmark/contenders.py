"""Builds who takes part in a race."""

import torch
from mmengine.registry import MODELS as REGISTRY
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.analysis.benchmark.reference import PlainUniFormer
from mmuniformer.analysis.benchmark.works import KEEP_ALL, MODELS, Work
from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.backbones.base import UniFormerBase

# Of one size, each race: no compilation for all sizes.
COMPILE = dict(dynamic=False)


def build(contender: str, work: Work, compiled: bool = False) -> nn.Module:
    """Builds a contender, its weights always the same.

    Args:
        contender: One of ``CONTENDERS``.
        work: What it is to do.
        compiled: Whether `torch.compile` compiles it when it first runs; ours
            by their own switch.

    Raises:
        ImportError, KeyError: If its library is not installed.
    """
    torch.manual_seed(0)
    if contender in OURS:
        return build_ours(contender, work, compiled)
    model = _build_other(contender, work)
    if compiled:
        model.compile(**COMPILE)
    return model


def _build_other(contender: str, work: Work) -> nn.Module:
    if contender in PEERS:
        return REGISTRY.build(PEERS[contender](work))
    backbone = build_ours('ours', work)
    if contender == 'reference':
        return PlainUniFormer(backbone)
    settings = backbone.arch
    theirs = REGISTRY.build(
        dict(
            type='mmaction.UniFormer',
            depth=list(settings.depths),
            embed_dim=list(settings.embed_dims),
            head_dim=settings.head_dim,
            pretrained2d=False,
        )
    )
    theirs.load_state_dict(backbone.state_dict())
    return theirs


OURS = {
    'ours': {},
    'checkpointed': dict(with_cp=True),
    KEEP_ALL: dict(keep_ratio=1.0),
    'deploy': {},
}


def build_ours(
    contender: str, work: Work, compiled: bool = False
) -> UniFormerBase:
    """One of our backbones as if trained: no norm is the identity."""
    if work.is_light:
        cls = UniFormerLight3D if work.is_video else UniFormerLight
    else:
        cls = UniFormer3D if work.is_video else UniFormer
    model = cls(
        **MODELS[work.model],
        **OURS[contender],
        compile=COMPILE if compiled else False,
    )
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    if contender == 'deploy':
        model.switch_to_deploy()
    return model


def _swin(**settings) -> dict:
    # Without the stochastic depth of training: it is not what is compared.
    return dict(type='mmdet.SwinTransformer', drop_path_rate=0.0, **settings)


# What the libraries' own configs say of these models.
PEERS = {
    'Swin-T': lambda work: _swin(depths=(2, 2, 6, 2)),
    'Swin-S': lambda work: _swin(depths=(2, 2, 18, 2)),
    'ResNet-50': lambda work: dict(
        type='mmdet.ResNet', depth=50, norm_eval=False
    ),
    'Swin3D-T': lambda work: dict(
        type='mmaction.SwinTransformer3D',
        arch='tiny',
        pretrained2d=False,
        drop_path_rate=0.0,
    ),
    'MViT-S': lambda work: dict(
        type='mmaction.MViT',
        arch='small',
        temporal_size=work.size[0],
        spatial_size=work.size[1],
    ),
}
