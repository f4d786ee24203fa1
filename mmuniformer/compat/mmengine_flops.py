"""Fused attention in mmengine's FLOPs counter.

Defect: ``get_model_complexity_info`` has no handler for
``scaled_dot_product_attention`` and leaves both of its matrix products out:
1.7 G are counted where an attention of width 320 over 4200 tokens does 13.0 G.
Applies to: mmengine 0.10.7 and earlier.
Upstream: https://github.com/open-mmlab/mmcv/issues/2342 (its older home)
Gone when: the counter has a handler of its own, which is then kept.
"""

from __future__ import annotations

from math import prod
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

OPERATOR = 'aten::scaled_dot_product_attention'


def attention_flops(inputs: list[Any], outputs: list[Any]) -> int:
    """Multiply-accumulates of the products QK^T and AV.

    Args:
        inputs (list): Query (..., L, E), key (..., S, E) and value
            (..., S, V) as values of the traced graph, then options.
        outputs (list): The result (..., L, V).

    Returns:
        int: L * S * (E + V), times the sizes before.
    """
    query, key, value = (item.type().sizes() for item in inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _patch(complexity: ModuleType) -> None:
    complexity._DEFAULT_SUPPORTED_FLOP_OPS.setdefault(
        OPERATOR, attention_flops
    )


def apply() -> None:
    after_import('mmengine.analysis.complexity_analysis', _patch)


def status() -> Status:
    name = 'FLOPs of fused attention'
    if not installed('mmengine'):
        return Status(name, 'missing', 'mmengine is not installed')
    from mmengine.analysis import complexity_analysis

    handler = complexity_analysis._DEFAULT_SUPPORTED_FLOP_OPS.get(OPERATOR)
    if handler is attention_flops:
        return Status(name, 'active', "counted by mmengine's counter")
    return Status(name, 'not needed', 'mmengine has a handler of its own')
