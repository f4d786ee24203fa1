"""Batches by number: a loader that begins where a run was ended.

What a batch of a training is depends on four numbers: the seed of the run,
the process that reads it, the epoch and the place of the batch in it. Its
random augmentation is drawn from generators that are seeded by these, in a
worker or in the training process alike. So no state of a worker has to be
saved, another number of workers gives the same batches, and the batches
before one are passed over by the sampler alone.
"""

from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    get_worker_info,
)

from mmuniformer.engine.data_parts import parts
from mmuniformer.engine.random_states import (
    GENERATORS,
    kept,
    seed_cpu,
    seed_own,
)


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
        # An epoch that was begun before a loader asks for it.
        self._begun: Iterator[NumberedBatch] | None = None
        self._first = 0
        self._indices: array | None = array('q')
        self._ends: list[int] = []
        # Loaders are so far ahead of the training, and less.
        self._recent: deque[tuple[int, list]] = deque(maxlen=1024)

    def __iter__(self) -> Iterator[NumberedBatch]:
        # A loader may make an iterator that it does not use.
        begun, self._begun = self._begun, None
        yield from self._epoch(0, None) if begun is None else begun

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def go_to(
        self, batch: int, first: int = 0, rest: Sequence[int] | None = None
    ) -> None:
        """Begins the next epoch, and passes over batches of it.

        Args:
            batch (int): Number of the batch that is the next one.
            first (int): Number of the first batch.
            rest (Sequence[int], optional): Indices of this epoch, instead of
                the sampler's.
        """
        self._leave()
        self._begun = self._epoch(first, rest)
        for _ in range(batch - first):
            next(self._begun, None)

    def _leave(self) -> None:
        """Ends an epoch that was begun in vain: a sampler keeps buckets."""
        begun, self._begun = self._begun, None
        if begun is not None and self._ends:
            deque(begun, maxlen=0)

    def batch(self, number: int) -> list | None:
        """Indices of a batch that was given lately; None if there is none."""
        return dict(self._recent).get(number)

    def counts(self, batch: int, length: int) -> np.ndarray | None:
        """How often each sample came in this epoch before a batch.

        Args:
            batch (int): The number of the batch.
            length (int): Samples of the data set.

        Returns:
            np.ndarray or None: Of int64 (length,); None if it is not known.
        """
        if self._indices is None:
            return None
        number = min(batch - self._first, len(self._ends))
        end = self._ends[number - 1] if number > 0 else 0
        indices = np.frombuffer(self._indices, np.int64, end) if end else []
        counts = np.bincount(np.asarray(indices, np.int64), minlength=length)
        return counts if len(counts) == length else None

    def _epoch(
        self, first: int, rest: Sequence[int] | None
    ) -> Iterator[NumberedBatch]:
        entropy, self._first = self.entropy, first
        self._ends = []
        self._recent.clear()
        # Of a sampler without an end they would be too many.
        is_counted = not is_endless(getattr(self.batch_sampler, 'sampler', 0))
        self._indices = array('q') if is_counted else None
        with _given(self.batch_sampler, rest):
            for index, indices in enumerate(self.batch_sampler, first):
                self._note(index, indices)
                batch = NumberedBatch(indices)
                batch.entropy = (*entropy, index)
                yield batch

    def _note(self, index: int, indices: list) -> None:
        self._recent.append((index, list(indices)))
        if self._indices is None:
            return
        try:
            self._indices.extend(array('q', indices))
        except TypeError:
            # Such as pairs of a video and a frame.
            self._indices = None
        else:
            self._ends.append(len(self._indices))


class _Rest:
    """A sampler with other indices than its own."""

    def __init__(self, sampler: Any, indices: Sequence[int]) -> None:
        self.sampler = sampler
        self.indices = indices

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sampler, name)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


@contextmanager
def _given(
    batch_sampler: BatchSampler, indices: Sequence[int] | None
) -> Iterator[None]:
    """Has batches made of other indices than those of the sampler."""
    if indices is None:
        yield
        return
    sampler = batch_sampler.sampler
    batch_sampler.sampler = _Rest(sampler, indices)
    try:
        yield
    finally:
        batch_sampler.sampler = sampler


class SeededItems:
    """Reads the samples of a batch with random numbers of its own.

    Generators that the data set or a transform holds are seeded as well.
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
        seed_own(parts(self.dataset), *batch.entropy)
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


def sampler_of(loader: Any) -> Any:
    """What gives single indices; None where there is nothing of the kind."""
    return getattr(getattr(loader, 'batch_sampler', None), 'sampler', None)


def batch_size(loader: Any) -> int:
    """Samples that a process reads for one pass; 0 if unknown."""
    size = getattr(getattr(loader, 'batch_sampler', None), 'batch_size', None)
    return (sum(size) if isinstance(size, list | tuple) else size) or 0


def goes_on(sampler: Any) -> bool:
    """Whether an epoch of a sampler begins where the last one ended.

    Most begin anew, shuffled by the number of the epoch. Others hold
    iterators or generators of random numbers.
    """
    return _holds(sampler, (Iterator, *GENERATORS))


def is_endless(sampler: Any) -> bool:
    """Whether a sampler holds iterators, which mmengine's never end.

    Such as ``InfiniteSampler``, and mmpose's ``MultiSourceSampler``.
    """
    return _holds(sampler, (Iterator,))


def _holds(value: Any, kinds: tuple[type, ...]) -> bool:
    values = list(getattr(value, '__dict__', {}).values())
    return _one_is(values, kinds, depth=3)


def _one_is(value: Any, kinds: tuple[type, ...], depth: int) -> bool:
    if isinstance(value, kinds):
        return True
    if depth and isinstance(value, dict):
        value = list(value.values())
    # Lists of all indices are long, and alike.
    several = isinstance(value, list | tuple) and depth
    return bool(several) and any(
        _one_is(each, kinds, depth - 1) for each in value[:64]
    )
