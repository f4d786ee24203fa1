"""Parameters and FLOPs of a config's model, by the published convention.

One FLOP is one multiply-accumulate. Convolutions, linear layers and both
products of attention count, and the normalisations as fvcore counts them
(BatchNorm 2, LayerNorm 5 per element); activations, softmax, resizing,
pooling and additions do not. The counter is mmengine's.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
from mmengine.analysis import FlopAnalyzer, parameter_count
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from mmuniformer.analysis.inference import Inference
from mmuniformer.errors import InputError, UserError

KINDS = {
    'conv': ('conv', 'convolution'),
    'linear': ('linear', 'addmm', 'mm'),
    'attention': (
        'scaled_dot_product_attention',
        'matmul',
        'bmm',
        'baddbmm',
        'einsum',
    ),
    'norm': ('batch_norm', 'layer_norm', 'group_norm', 'instance_norm'),
}
KIND_OF_OPERATOR = {op: kind for kind, ops in KINDS.items() for op in ops}
NOT_COUNTED = (
    'adaptive_avg_pool2d',
    'grid_sampler',
    'upsample_bilinear2d',
    'upsample_nearest2d',
)


@dataclass(frozen=True)
class Part:
    """A module of the model.

    Attributes:
        name (str): Its dotted name; empty for the whole model.
        params (int): Number of parameters.
        flops (dict[str, int]): Multiply-accumulates by kind of operator.
    """

    name: str
    params: int
    flops: dict[str, int]

    @property
    def total(self) -> int:
        """FLOPs of all kinds."""
        return sum(self.flops.values())


@dataclass(frozen=True)
class Complexity:
    """What a model costs for one input.

    Attributes:
        shape (tuple[int, ...]): Input, without the batch: (C, H, W) or
            (C, T, H, W).
        model (Part): The whole model.
        parts (tuple[Part, ...]): Its modules, in order.
    """

    shape: tuple[int, ...]
    model: Part
    parts: tuple[Part, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self) | {
            'params': self.model.params,
            'flops': self.model.total,
        }


def measure_config(
    cfg: Config, shape: tuple[int, ...], depth: int = 1
) -> Complexity:
    """Measures the model of a config, without its weights.

    A segmentor's auxiliary head, which only training uses, has parameters and
    no FLOPs: as published.

    Args:
        cfg (Config): Config of any OpenMMLab library.
        shape (tuple[int, ...]): (H, W), or (T, H, W) for video.
        depth (int): How deep the parts go: 1 for ``backbone``, 2 for
            ``backbone.blocks1``, ...

    Returns:
        Complexity: What it costs.

    Raises:
        UserError: If the config has no model.
    """
    if cfg.get('model') is None:
        raise UserError(f'config {cfg.filename} has no model')
    model = MODELS.build(cfg.model)
    backbone = cfg.model.get('backbone') or {}
    channels = backbone.get('in_channels', 3)
    return measure(model, (channels, *shape), depth)


def measure(
    model: nn.Module, shape: tuple[int, ...], depth: int = 1
) -> Complexity:
    """Measures a model on one input; see :func:`measure_config`.

    The forward pass is run once on the CPU, because tracing needs sizes that
    PyTorch's meta device does not give while it traces.

    Args:
        model (nn.Module): A model of any OpenMMLab library, or any module.
        shape (tuple[int, ...]): (C, H, W) or (C, T, H, W).
        depth (int): How deep the parts go.
    """
    model = model.cpu()
    # Not chained: mmdet's Swin returns nothing.
    model.eval()
    inputs = torch.zeros(1, *shape)
    analyzer = FlopAnalyzer(Inference(model), (inputs,))
    analyzer.unsupported_ops_warnings(False)
    analyzer.uncalled_modules_warnings(False)
    analyzer.tracer_warnings('none')
    try:
        with torch.no_grad():
            counts = analyzer.by_module_and_operator()
    except (RuntimeError, ValueError) as error:
        # The backbone's own words, or those of a convolution.
        if isinstance(error, InputError) or 'Kernel size' in str(error):
            raise UserError(
                f'--shape {" ".join(map(str, shape[1:]))}: {error}'
            ) from error
        raise
    params = parameter_count(model)
    names = [
        name
        for name, module in model.named_modules()
        if name and name.count('.') < depth and params[name]
        if not isinstance(module, nn.Identity)
    ]
    parts = tuple(
        Part(name, params[name], _by_kind(counts[f'model.{name}']))
        for name in names
    )
    whole = Part('', params[''], _by_kind(counts['']))
    return Complexity(tuple(shape), whole, parts)


def _by_kind(counts: Counter) -> dict[str, int]:
    by_kind = dict.fromkeys(KINDS, 0)
    for operator, count in counts.items():
        if operator in NOT_COUNTED:
            continue
        by_kind[KIND_OF_OPERATOR[operator]] += int(count)
    return by_kind
