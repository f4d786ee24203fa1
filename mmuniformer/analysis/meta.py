"""Parameters and FLOPs without any memory: shapes alone go through a model.

The same counts as :func:`mmuniformer.analysis.complexity.measure`, of models
that PyTorch's meta device can run: those of the paper are among them. A
segmentor of 1.2 T multiply-accumulates takes a second.
"""

from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmuniformer.analysis.complexity import KINDS, Complexity, Part
from mmuniformer.analysis.inference import Inference

aten = torch.ops.aten
# PyTorch counts a multiply-accumulate as two.
OF_A_MAC = 2


def _norm(per_element: int) -> Any:
    def flops(shape: tuple, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return OF_A_MAC * per_element * prod(shape)

    return flops


_batch_norm, _layer_norm = _norm(2), _norm(5)
NORMS = {
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten.native_layer_norm: _layer_norm,
}
KIND_OF_OPERATOR = {
    aten.convolution: 'conv',
    aten.addmm: 'linear',
    aten.mm: 'linear',
    aten.bmm: 'attention',
    aten.baddbmm: 'attention',
    aten._scaled_dot_product_flash_attention: 'attention',
    aten._scaled_dot_product_efficient_attention: 'attention',
    **dict.fromkeys(NORMS, 'norm'),
}


def build_on_meta(cfg: Config) -> nn.Module:
    """The model of a config, without memory for its weights.

    Args:
        cfg (Config): Config of any OpenMMLab library, whose scope is active.
    """
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    # Not chained: mmdet's Swin returns nothing.
    model.eval()
    return model


def count(
    model: nn.Module, shape: Iterable[int], depth: int = 1
) -> Complexity:
    """Counts a model on one input.

    Args:
        model (nn.Module): A model on the meta device.
        shape (Iterable[int]): (C, H, W) or (C, T, H, W).
        depth (int): How deep the parts go: 1 for ``backbone``, 2 for
            ``backbone.blocks1``, ...

    Raises:
        NotImplementedError: If an operator does not run on shapes alone.
    """
    shape = tuple(shape)
    # The counter would look for the gradients of what needs any.
    model.requires_grad_(False)
    counter = FlopCounterMode(display=False, custom_mapping=NORMS)
    with torch.no_grad(), counter:
        Inference(model)(torch.zeros(1, *shape, device='meta'))
    counts = counter.get_flop_counts()
    parts = tuple(
        Part(name, params, _by_kind(_within(module, name, counts)))
        for name, module in model.named_modules()
        if name and name.count('.') < depth and (params := _size(module))
    )
    whole = Part('', _size(model), _by_kind(counts['Global']))
    return Complexity(shape, whole, parts)


def _within(module: nn.Module, name: str, counts: dict) -> Counter:
    """Counts of a module; of a list, which is not called, those in it."""
    own = counts.get(f'Inference.model.{name}')
    if own is not None:
        return Counter(own)
    children = module.named_children()
    return sum(
        (_within(child, f'{name}.{part}', counts) for part, child in children),
        Counter(),
    )


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _by_kind(counts: dict[Any, int]) -> dict[str, int]:
    by_kind = dict.fromkeys(KINDS, 0)
    for operator, flops in counts.items():
        by_kind[KIND_OF_OPERATOR[operator]] += int(flops) // OF_A_MAC
    return by_kind
