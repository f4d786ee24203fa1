"""Batches by number: a loader that begins where a run was ended.

What a batch of a training is depends on four numbers: the seed of the run,
the process that reads it, the epoch and the place of the batch in it. Its
random augmentation is drawn from generators that are seeded by these, in a
worker or in the training process alike. So no state of a worker has to be
saved, another number of workers gives the same batches, and the batches
before one are passed over by the sampler alone.
"""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    get_worker_info,
)

from mmuniformer.engine.random_states import kept, seed_cpu


class NumberedBatch(list):
    """Indices of the samples of a batch, and what seeds its random numbers."""

    entropy: tuple[int, ...] = ()


class NumberedBatches:
    """The batches of a batch sampler, from a place in its epoch on.

    Args:
        batch_sampler (BatchSampler): Gives lists of indices.
    """

    def __init__(self, batch_sampler: BatchSampler) -> None:
        self.batch_sampler = batch_sampler
        # Seed of the run, number of the process and epoch.
        self.entropy: tuple[int, int, int] = (0, 0, 0)
        # Batches to pass over, of the next epoch alone.
        self.skip = 0

    def __iter__(self) -> Iterator[NumberedBatch]:
        skip, self.skip = self.skip, 0
        entropy = self.entropy
        for index, indices in enumerate(self.batch_sampler):
            if index < skip:
                continue
            batch = NumberedBatch(indices)
            batch.entropy = (*entropy, index)
            yield batch

    def __len__(self) -> int:
        return len(self.batch_sampler)


class SeededItems:
    """Reads the samples of a batch with random numbers of its own.

    torch's loaders look for ``__getitems__`` on a data set.

    Args:
        dataset (Dataset): The data set that it is put on.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __call__(self, indices: list) -> list:
        """The samples of ``indices``."""
        if not isinstance(indices, NumberedBatch):
            return self._read(indices)
        if get_worker_info() is None:
            # The numbers of this process are the model's.
            with kept():
                return self._read_seeded(indices)
        return self._read_seeded(indices)

    def _read_seeded(self, batch: NumberedBatch) -> list:
        seed_cpu(*batch.entropy)
        return self._read(batch)

    def _read(self, indices: list) -> list:
        read_all = getattr(type(self.dataset), '__getitems__', None)
        if read_all is not None:
            return read_all(self.dataset, indices)
        return [self.dataset[index] for index in indices]


class ResumableLoader(DataLoader):
    """A loader whose batches are :class:`NumberedBatches`.

    It starts its workers with the first batch, when a run knows where it goes
    on, and draws nothing from the random numbers of the model.

    Args:
        loader (DataLoader): All its parts are taken over, as hooks know them.
    """

    def __init__(self, loader: DataLoader) -> None:
        vars(self).update(vars(loader))
        self.batches = NumberedBatches(loader.batch_sampler)
        loader.dataset.__getitems__ = SeededItems(loader.dataset)

    @property
    def _index_sampler(self) -> NumberedBatches:
        return self.batches

    def __iter__(self) -> Iterator[Any]:
        with kept():
            batches = super().__iter__()
        yield from batches


def resumable(loader: DataLoader) -> DataLoader:
    """A :class:`ResumableLoader` of what can be one, and else the loader.

    Samples of a stream have no number, and a loader of another class or
    without batches has ways of its own.
    """
    if (
        type(loader) is not DataLoader
        or loader.batch_sampler is None
        or isinstance(loader.dataset, IterableDataset)
    ):
        return loader
    return ResumableLoader(loader)


def sampler_of(loader: DataLoader) -> Any:
    """What gives single indices; None where there is nothing of the kind."""
    return getattr(loader.batch_sampler, 'sampler', None)


def goes_on(sampler: Any) -> bool:
    """Whether an epoch of a sampler begins where the last one ended.

    Most begin anew, shuffled by the number of the epoch. Such as mmpose's
    ``MultiSourceSampler`` hold iterators that never end.
    """
    return _holds_iterator(list(vars(sampler).values()), depth=3)


def _holds_iterator(value: Any, depth: int) -> bool:
    if isinstance(value, Iterator):
        return True
    if depth and isinstance(value, dict):
        value = list(value.values())
    # Lists of all indices are long, and alike.
    several = isinstance(value, list | tuple) and depth
    return bool(several) and any(
        _holds_iterator(each, depth - 1) for each in value[:64]
    )
