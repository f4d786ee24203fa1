"""What is left of an epoch, where the sampler cannot say it.

With another number of processes, another batch size or a sampler that cannot
be repeated, the batches that were read are no beginning of those that the
samplers give now. So the samples themselves are counted.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import ceil

import numpy as np
import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    get_rank,
)

from mmuniformer.engine.loaders import (
    ResumableLoader,
    batch_size,
    sampler_of,
)


@dataclass
class EpochRest:
    """What all processes have left of an epoch.

    Attributes:
        before (torch.Tensor): How often each sample was read before; uint8
            (samples,).
        first (int): Number of the first batch of the rest.
        mine (list[int]): Indices of this process.
    """

    before: torch.Tensor
    first: int
    mine: list[int]


def counts_of_all(
    loader: ResumableLoader, batch: int, before: torch.Tensor | None
) -> torch.Tensor | None:
    """How often all processes have read each sample of an epoch.

    Every process has to ask.

    Args:
        loader (ResumableLoader): The loader.
        batch (int): Number of the next batch.
        before (torch.Tensor, optional): What was read before the first one.

    Returns:
        torch.Tensor or None: uint8 (samples,); None if it is not known.
    """
    length = len(loader.dataset)
    own = loader.batches.counts(batch, length)
    if not all(all_gather_object(own is not None)):
        return None
    counts = torch.from_numpy(own).to(torch.int32)
    all_reduce(counts)
    if before is not None:
        counts += before.cpu()
    return counts.clamp(max=255).to(torch.uint8)


def rest_of_epoch(
    loader: ResumableLoader, before: torch.Tensor, first: int | None = None
) -> EpochRest:
    """Divides what is left of an epoch among the processes.

    Every process has to ask. What the samplers give now is taken in turn,
    without what was read; all get the same number, as mmengine's samplers
    give it.

    Args:
        loader (ResumableLoader): Its sampler is in the epoch.
        before (torch.Tensor): How often each sample was read; (samples,).
        first (int, optional): Number of the first batch of the rest; None if
            the rest is to end where the epoch does.
    """
    orders = all_gather_object(np.asarray(list(sampler_of(loader)), np.int64))
    mine = shares([o.tolist() for o in orders], before.tolist())[get_rank()]
    if first is None:
        size = batch_size(loader) or 1
        first = max(len(loader) - ceil(len(mine) / size), 0)
    return EpochRest(before, first, mine)


def shares(
    orders: Sequence[Sequence[int]], counts: Sequence[int]
) -> list[list[int]]:
    """What is left for each process.

    Args:
        orders (Sequence[Sequence[int]]): The indices of each process.
        counts (Sequence[int]): How often each index was read.
    """
    number = len(orders)
    in_turn = (i for i in chain(*zip_longest(*orders)) if i is not None)
    rest = without(in_turn, counts)
    # Rounded up by those of the beginning.
    even = rest and np.resize(rest, -(-len(rest) // number) * number).tolist()
    return [even[rank::number] for rank in range(number)]


def without(order: Iterable[int], counts: Sequence[int]) -> list[int]:
    """An order without what was read, each as often as it was.

    Args:
        order (Iterable[int]): Indices.
        counts (Sequence[int]): How often each index was read.
    """
    met: Counter[int] = Counter()
    left = []
    for index in order:
        met[index] += 1
        if met[index] > counts[index]:
            left.append(index)
    return left
