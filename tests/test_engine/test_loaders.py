"""Batches by number: their random numbers, places and samplers."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, Dataset

from mmuniformer.engine import random_states
from mmuniformer.engine.loaders import ResumableLoader, goes_on, resumable


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
    each.batches.skip = 3
    assert list(each) == whole[3:]
    # Of one epoch alone.
    assert list(each) == whole
    assert len(each) == 5


def test_batches_that_are_passed_over_are_not_read(monkeypatch):
    read = []
    monkeypatch.setattr(Drawn, '__getitem__', lambda _, i: read.append(i))
    each = loader(0)
    each.batches.skip = 4
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
