"""Memory that a training step needs, measured without a step.

What autograd keeps for the backward pass is counted while a forward pass is
run and let go at once: the pass takes the memory of inference alone.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.multiprocessing.reductions import StorageWeakRef
from torch.optim import Optimizer

from mmuniformer.models.layers import recompute

# Elements of the parameter that an optimizer's state is looked at with.
PROBE = 64


@dataclass(frozen=True)
class Memory:
    """Bytes that one process needs in a training step.

    Attributes:
        parameters (int): Of the model, and its buffers.
        gradients (int): Of what is trained.
        optimizer (int): Its state.
        average (int): The averaged weights of an EMA hook.
        buckets (int): Copies of the gradients that are sent.
        activations (int): What is kept for the backward pass, of a batch.
        recomputed (int): The largest block that is computed again.
    """

    parameters: int
    gradients: int
    optimizer: int
    average: int
    buckets: int
    activations: int
    recomputed: int

    @property
    def total(self) -> int:
        """The sum: what kernels and the allocator need comes on top."""
        return sum(vars(self).values())


class _Kept:
    """Storages that were saved, each counted once."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        self._seen = {_storage(tensor) for tensor in known}
        self.bytes = 0

    def add(self, tensor: Tensor) -> None:
        storage = _storage(tensor)
        if storage not in self._seen:
            self._seen.add(storage)
            self.bytes += tensor.untyped_storage().nbytes()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Adds what is saved, and keeps none of it."""
        with saved_tensors_hooks(self.add, _never):
            yield


def _storage(tensor: Tensor) -> StorageWeakRef:
    # While it is there, no other storage gets the number of a freed one.
    return StorageWeakRef(tensor.untyped_storage())


def _never(_: Any) -> Tensor:
    raise RuntimeError('nothing was kept: there is no backward pass')


def kept_for_backward(
    forward: Callable[[], Any], known: Iterable[Tensor]
) -> tuple[int, int]:
    """Bytes that a forward pass keeps for the backward pass.

    Args:
        forward (Callable): The pass, without arguments.
        known (Iterable[Tensor]): Tensors that are there anyway, such as
            parameters and buffers.

    Returns:
        tuple[int, int]: What is kept, and what the largest block with
        recomputation keeps while it is computed again.
    """
    known = list(known)
    kept, largest = _Kept(known), 0

    def instead(block: nn.Module, *args: Any, **_: Any) -> Any:
        nonlocal largest
        inner = _Kept(known)
        for value in args:
            if isinstance(value, Tensor):
                kept.add(value)
        with inner.watching():
            outs = block(*args)
        largest = max(largest, inner.bytes)
        return outs

    with patch.object(recompute, 'checkpoint', instead), kept.watching():
        forward()
    return kept.bytes, largest


def state_bytes(optimizer: Optimizer) -> int:
    """Bytes of the state that an optimizer will have for its parameters."""
    total = 0
    for group in optimizer.param_groups:
        options = {k: v for k, v in group.items() if k != 'params'}
        probe = nn.Parameter(torch.zeros(PROBE))
        probe.grad = torch.zeros(PROBE)
        # A new one: a state of its own, and the options of this group.
        twin = type(optimizer)([dict(options, params=[probe])])
        twin.step()
        a_parameter = sum(
            value.numel()
            for value in twin.state[probe].values()
            if isinstance(value, Tensor) and value.numel() >= PROBE
        )
        total += sum(
            p.numel() * p.element_size() * a_parameter // PROBE
            for p in group['params']
            if p.requires_grad
        )
    return total


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(t.numel() * t.element_size() for t in tensors)
