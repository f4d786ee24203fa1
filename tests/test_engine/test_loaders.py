"""Batches by number: their random numbers, places and samplers."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.runner.runner import _SlicedDataset
from torch.utils.data import BatchSampler, DataLoader, Dataset

from mmuniformer.engine import random_states
from mmuniformer.engine.data_parts import parts
from mmuniformer.engine.loaders import (
    ResumableLoader,
    goes_on,
    is_endless,
    resumable,
)


class Drawn(Dataset):
    """Its index, and a number of each generator."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[int, float, float, float]:
        return index, random.random(), np.random.rand(), torch.rand(1).item()


def loader(workers: int, **settings) -> ResumableLoader:
    data = Drawn()
    return resumable(
        DataLoader(
            data,
            batch_size=2,
            sampler=DefaultSampler(data, seed=3),
            num_workers=workers,
            collate_fn=list,
            **settings,
        )
    )


def test_workers_have_no_say():
    alone, two = loader(0), loader(2, persistent_workers=True)
    for epoch in (0, 1):
        for each in (alone, two):
            each.batches.entropy = (7, 0, epoch)
        batches = list(alone)
        assert batches == list(two)
        # No number is drawn twice.
        numbers = [number for b in batches for s in b for number in s[1:]]
        assert len(set(numbers)) == 30


def test_a_place_in_the_epoch():
    each = loader(0)
    whole = list(each)
    each.batches.go_to(3)
    assert list(each) == whole[3:]
    # Of one epoch alone.
    assert list(each) == whole
    assert len(each) == 5


def test_batches_that_are_passed_over_are_not_read(monkeypatch):
    read = []
    monkeypatch.setattr(Drawn, '__getitem__', lambda _, i: read.append(i))
    each = loader(0)
    each.batches.go_to(4)
    list(each)
    assert len(read) == 2


def test_the_model_keeps_its_numbers():
    random_states.seed_cpu(1)
    before = random_states.take()
    numbers = random.random(), np.random.rand(), torch.rand(1).item()
    random_states.put(before)
    list(loader(0))
    assert numbers == (random.random(), np.random.rand(), torch.rand(1).item())


def test_seeds_tell_every_number_apart():
    drawn = set()
    for entropy in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0)]:
        random_states.seed_cpu(*entropy)
        drawn |= {random.random(), np.random.rand(), torch.rand(1).item()}
    # SeedSequence takes zeros at the end for nothing.
    assert len(drawn) >= 12


def test_samplers_that_go_on_through_epochs():
    from mmpretrain.datasets.samplers import RepeatAugSampler

    data = Drawn()
    assert not goes_on(DefaultSampler(data))
    assert not goes_on(RepeatAugSampler(data))
    assert goes_on(InfiniteSampler(data))


@pytest.mark.parametrize('kind', ['no batches', 'a class of its own'])
def test_other_loaders_stay_as_they_are(kind):
    class Own(DataLoader):
        pass

    made = (
        DataLoader(Drawn(), batch_size=None)
        if kind == 'no batches'
        else Own(Drawn())
    )
    assert resumable(made) is made


def test_parts_that_hooks_know():
    data = Drawn()
    batches = BatchSampler(DefaultSampler(data), 2, drop_last=False)
    made = DataLoader(data, batch_sampler=batches)
    own = resumable(made)
    assert own.batch_sampler is batches
    assert own.dataset is data
    assert loader(0).batch_size == 2


def test_what_was_read_is_counted():
    each = loader(2)
    batches = list(each)
    read = [sample[0] for batch in batches[:3] for sample in batch]
    counts = each.batches.counts(3, 10)
    assert sorted(read) == np.flatnonzero(counts).tolist()
    assert counts.sum() == 6
    assert each.batches.batch(2) == read[4:]
    assert each.batches.counts(0, 10).sum() == 0
    # Another epoch, with other indices.
    each.batches.go_to(8, first=7, rest=[1, 2, 3, 3])
    assert [[s[0] for s in b] for b in each] == [[3, 3]]
    assert each.batches.counts(9, 10).tolist() == [0, 1, 1, 2, *[0] * 6]
    # Only of that one.
    assert len(list(each)) == 5


def test_transforms_within_a_part_of_a_data_set():
    """What ``num_batch_per_epoch`` makes: its generator is seeded, too."""
    data = Own()
    assert data.pipeline[0] in list(parts(_SlicedDataset(data, 4)))


class Own(Dataset):
    """Draws from generators that it and a transform hold."""

    class Shift:
        def __init__(self) -> None:
            self.generators = np.random.default_rng(3)
            self.other = torch.Generator()

    def __init__(self) -> None:
        self.numpy = np.random.RandomState(1)
        self.python = random.Random(2)
        self.pipeline = [Own.Shift()]

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple:
        shift = self.pipeline[0]
        return (
            self.numpy.rand(),
            self.python.random(),
            shift.generators.random(),
            torch.rand(1, generator=shift.other).item(),
        )


def test_generators_of_a_project():
    made = [
        resumable(DataLoader(Own(), 2, num_workers=w, collate_fn=list))
        for w in (0, 2)
    ]
    batches = list(made[0])
    assert batches == list(made[1])
    assert len({n for b in batches for s in b for n in s}) == 40
    made[0].batches.go_to(3)
    assert list(made[0]) == batches[3:]


def test_samplers_with_generators_go_on():
    class Shuffled(DefaultSampler):
        def __init__(self, data) -> None:
            super().__init__(data)
            self.rng = np.random.default_rng(0)

    assert goes_on(Shuffled(Drawn()))
    assert not is_endless(Shuffled(Drawn()))
    assert is_endless(InfiniteSampler(Drawn()))
