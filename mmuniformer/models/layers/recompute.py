"""Recomputation of a block in the backward pass."""

from contextlib import contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmuniformer.models.layers.recording import is_compiling


def recompute_in_backward(block: nn.Module, *args) -> Any:
    """Runs a block and keeps none of its activations.

    The backward pass computes them again. BatchNorm does not count that
    second pass: its running statistics are those of training without
    recomputation.

    Args:
        block (nn.Module): Module to run.
        args: What its ``forward`` takes.

    Returns:
        Any: What the block returns.
    """
    kwargs = {}
    # The compiler does its own recomputation, which updates no statistics.
    if not is_compiling():
        norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
        kwargs['context_fn'] = lambda: (nullcontext(), paused_stats(norms))
    return checkpoint(block, *args, use_reentrant=False, **kwargs)


def run_block(block: nn.Module, *args, recompute: bool) -> Any:
    """Runs a block, with recomputation or without: a name of version 0.1.

    Args:
        block (nn.Module): Module to run.
        args: What its ``forward`` takes.
        recompute (bool): Whether to keep none of its activations.

    Returns:
        Any: What the block returns.
    """
    return recompute_in_backward(block, *args) if recompute else block(*args)


@contextmanager
def paused_stats(norms: list[nn.Module]):
    """Lets BatchNorm run without counting the batch in its statistics.

    The same operations as in the forward pass, as recomputation asks for:
    a momentum of 0 leaves the running statistics as they are.

    Args:
        norms (list[nn.Module]): BatchNorms.
    """
    paused = [(m, m.momentum, m.num_batches_tracked) for m in norms]
    for norm, _, _ in paused:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in paused:
            norm.momentum, norm.num_batches_tracked = momentum, count
