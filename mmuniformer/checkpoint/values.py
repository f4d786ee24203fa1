"""Weights that no model can have."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mmuniformer.checkpoint.matching import some
from mmuniformer.errors import CheckpointError


def check_values(
    state_dict: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    source: str,
) -> None:
    """Looks at the types and numbers of what is about to be loaded.

    Args:
        state_dict (Mapping[str, Tensor]): Tensors of a file.
        wanted (Mapping[str, Tensor]): Those of the model; names that it does
            not have are not looked at.
        source (str): Path or URL of the file, for the message.

    Raises:
        CheckpointError: If a tensor is of a type that the model's is not (of
            whole numbers, complex, sparse or without values), or holds
            numbers that are not finite and the model's are.
    """
    problems: dict[str, list[str]] = {}
    for name, problem in _problems(state_dict, wanted):
        problems.setdefault(problem, []).append(name)
    for problem, names in problems.items():
        raise CheckpointError(
            f'{source}: {len(names)} tensors {problem}: {some(names)}; they '
            'are no weights of this model'
        )


def _problems(
    state_dict: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> Iterator[tuple[str, str]]:
    for name, tensor in state_dict.items():
        if not isinstance(tensor, Tensor) or name not in wanted:
            continue
        if not wanted[name].is_floating_point():
            continue
        # Not loaded, and as large as the file says it is.
        if tensor.shape != wanted[name].shape:
            continue
        if tensor.layout is not torch.strided:
            yield name, 'are sparse'
        elif tensor.is_meta:
            yield name, 'have no values (device meta)'
        elif not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix('torch.')
            yield name, f'are of type {kind}'
        elif not is_finite(tensor) and not _is_alike(tensor, wanted[name]):
            yield name, 'hold numbers that are not finite'


def _is_alike(tensor: Tensor, wanted: Tensor) -> bool:
    """Whether a model has such numbers in the same places: a mask, often."""
    own = torch.isfinite(wanted.detach()).to(tensor.device)
    return torch.equal(own, torch.isfinite(tensor.detach()))


def is_finite(tensor: Tensor) -> bool:
    """Whether every number of a tensor is finite."""
    # Their sum is enough unless it overflows, and is read at once.
    return bool(torch.isfinite(tensor.float().sum())) or bool(
        torch.isfinite(tensor).all()
    )


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """Names of the tensors that hold numbers which are not finite.

    Args:
        tensors (Mapping[str, Any]): A state dict, or part of one; what is no
            dense tensor of floating point is not looked at.
    """
    return [
        name
        for name, tensor in tensors.items()
        if isinstance(tensor, Tensor)
        and tensor.is_floating_point()
        and tensor.layout is torch.strided
        and not tensor.is_meta
        and not is_finite(tensor.detach())
    ]
