"""Builds the model of a variant."""

import torch
from mmengine.registry import MODELS as REGISTRY
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.models.backbones.base import UniFormerBase

from .reference import PlainUniFormer
from .workloads import DESIGNS, MODELS, OTHERS, Variant, Workload

OURS = {
    'ours': {},
    'checkpointed': dict(with_cp=True),
    'deploy': {},
    **DESIGNS,
}
# One size in each comparison: not compiled for all sizes.
COMPILE = dict(dynamic=False)


def build(variant: Variant, workload: Workload) -> nn.Module:
    """Builds the model of a variant in float32, its weights always the same.

    Where the variant says so, `torch.compile` compiles it when it first runs;
    ours by their own switch.

    Raises:
        ImportError, KeyError: If its library is not installed.
    """
    torch.manual_seed(0)
    if variant.name in OURS:
        return _build_ours(variant, workload)
    if variant.name in OTHERS:
        config = dict(OTHERS[variant.name])
        if config['type'] == 'mmaction.MViT':
            # Its position embeddings are of one size.
            config['temporal_size'], config['spatial_size'], _ = workload.size
        model = _build_other(config)
    else:
        model = _build_same(variant.name, workload)
    if variant.compiled:
        model.compile(**COMPILE)
    return model


def _build_other(config: dict) -> nn.Module:
    if config['type'] != 'timm':
        return REGISTRY.build(config)
    import timm

    return timm.create_model(config['name'], num_classes=0)


def _build_ours(variant: Variant, workload: Workload) -> UniFormerBase:
    model = REGISTRY.build(
        dict(
            MODELS[workload.model],
            **OURS[variant.name],
            compile=COMPILE if variant.compiled else False,
        )
    )
    # As if trained: no norm is the identity.
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    if variant.name == 'deploy':
        model.switch_to_deploy()
    return model


def _build_same(name: str, workload: Workload) -> nn.Module:
    """The function of ours, by others, on the weights of ours."""
    ours = _build_ours(Variant('ours'), workload)
    if name == 'reference':
        return PlainUniFormer(ours)
    theirs = REGISTRY.build(
        dict(
            type='mmaction.UniFormer',
            depth=list(ours.arch.depths),
            embed_dim=list(ours.arch.embed_dims),
            head_dim=ours.arch.head_dim,
            pretrained2d=False,
        )
    )
    theirs.load_state_dict(ours.state_dict())
    return theirs
