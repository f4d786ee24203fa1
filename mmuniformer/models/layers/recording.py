"""Whether a graph is recorded of what runs: by a compiler or an exporter.

A graph serves sizes, and modes of autograd, that it was not recorded with.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any

import torch
from torch import Tensor

if hasattr(torch.compiler, 'is_compiling'):
    from torch.compiler import is_compiling
else:
    # torch 2.1
    from torch._dynamo import is_compiling


try:
    # Where torch keeps how it reasons about sizes; newer than 2.1.
    from torch.fx.experimental import _config as _SIZES
except ImportError:
    _SIZES = None


OPTION = 'backed_size_oblivious'


def is_recorded() -> bool:
    """Whether torch.compile, torch.export or torch.jit.trace looks on."""
    return is_compiling() or torch.jit.is_tracing()


def is_exported() -> bool:
    """Whether what is recorded is for inference, by another runtime."""
    return torch.jit.is_tracing() or _in_export()


def in_older_exporter() -> bool:
    """Whether torch's older exporter to ONNX (``dynamo=False``) traces."""
    return torch.jit.is_tracing() and torch.onnx.is_in_onnx_export()


def _in_export() -> bool:
    # torch 2.7
    exporting = getattr(torch.compiler, 'is_exporting', None)
    return exporting is not None and exporting()


def sizes_open() -> AbstractContextManager:
    """Within, torch's exporters ask of no size whether it is 0 or 1.

    They take the answer for one that all sizes have to give: a model that
    was exported with one column of windows would be for that alone, and
    compiled ahead of time (AOTInductor) be wrong at others without a word.
    """
    if not hasattr(_SIZES, OPTION):
        return nullcontext()
    return _SIZES.patch(OPTION, True)


def for_any_size(forward: Callable) -> Callable:
    """Has torch.export take a method with :func:`sizes_open`.

    Args:
        forward (Callable): Method that computes maps whose sizes follow from
            that of its input.

    Returns:
        Callable: The same method.
    """

    @wraps(forward)
    def exported(self, x: Tensor) -> Any:
        # The compiler, which reads this code, has its own way with sizes.
        if not _in_export() or torch.compiler.is_dynamo_compiling():
            return forward(self, x)
        with sizes_open():
            return forward(self, x)

    return exported
