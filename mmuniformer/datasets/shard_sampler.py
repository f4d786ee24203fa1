"""An order of samples that reads few shards at a time."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from mmengine.dataset import DefaultSampler

from mmuniformer.errors import UserError
from mmuniformer.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ShardSampler(DefaultSampler):
    """mmengine's DefaultSampler, whose order goes through the shards.

    Each epoch has an order of its own, by the seed and its number: the
    shards are shuffled, and the samples within each. This line is cut into
    ``window`` parts, and the order takes a sample of each part in turn. So at
    any time ``window`` shards are read and mixed, by all processes together;
    a process reads its own of them if the number of processes divides
    ``window``. Processes take from the order in turn as DefaultSampler's do:
    after any step what was seen is its beginning, whatever their number.

    Args:
        dataset (Dataset): :class:`ShardedImages` or :class:`ShardedVideos`.
        shuffle (bool): Whether to shuffle; if not, it is DefaultSampler.
        seed (int, optional): The same in all processes.
        round_up (bool): Whether processes get the same number of samples, of
            which a few may be there twice.
        window (int): Shards that are mixed.
        num_repeats (int): How often a sample comes, each time in another
            process: repeated augmentation as mmpretrain's
            ``RepeatAugSampler`` has it, an epoch of the same length.

    Raises:
        UserError: If a number is less than 1; later, if the data set is of
            another kind.
    """

    def __init__(
        self,
        dataset: Any,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
        window: int = 32,
        num_repeats: int = 1,
    ) -> None:
        if min(window, num_repeats) < 1:
            raise UserError(
                'window and num_repeats of ShardSampler are from 1, not '
                f'{window} and {num_repeats}'
            )
        super().__init__(dataset, shuffle, seed, round_up)
        self.window = window
        self.num_repeats = num_repeats

    def __iter__(self) -> Iterator[int]:
        """The indices of this process."""
        order = self._order() if self.shuffle else np.arange(len(self.dataset))
        if self.num_repeats > 1:
            order = order.repeat(self.num_repeats)
            number = math.ceil(len(order) / self.world_size) * self.world_size
        else:
            number = self.total_size
        # Rounded up by those of the beginning.
        order = np.resize(order, number)[self.rank :: self.world_size]
        return iter(order[: self.num_samples].tolist())

    def _order(self) -> np.ndarray:
        """All indices, in the order of this epoch."""
        rng = np.random.default_rng((self.seed, self.epoch))
        shards = getattr(self.dataset, 'shard_numbers', ())
        number = len(shards)
        if number != len(self.dataset):
            raise UserError(
                'ShardSampler is for a whole data set of shards, and '
                f'{type(self.dataset).__name__} is none; take DefaultSampler'
            )
        turn = rng.permutation(shards.max() + 1)[shards]
        order = np.lexsort((rng.random(number), turn))
        parts = min(self.window, number)
        even = number // parts * parts
        mixed = order[:even].reshape(parts, -1).T.ravel()
        return np.concatenate([mixed, order[even:]])
