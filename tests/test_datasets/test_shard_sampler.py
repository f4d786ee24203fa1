"""The order in which shards are read."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest

from mmuniformer.datasets import ShardSampler
from mmuniformer.errors import UserError


class Shards:
    """What the sampler asks of a data set."""

    def __init__(self, sizes: list[int]) -> None:
        self.shard_numbers = np.repeat(np.arange(len(sizes)), sizes)

    def __len__(self) -> int:
        return len(self.shard_numbers)


def order(sizes, rank=0, world=1, epoch=0, **settings) -> list[int]:
    """Indices of a process of some, as mmengine tells samplers of them."""
    sampler = ShardSampler(Shards(sizes), **dict(dict(seed=3), **settings))
    sampler.rank, sampler.world_size = rank, world
    # As the constructor computes them where processes are initialized.
    sampler.num_samples = -(-len(sampler.dataset) // world)
    sampler.total_size = sampler.num_samples * world
    sampler.set_epoch(epoch)
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return indices


SIZES = [7, 1, 12, 5, 9, 3, 20, 6]


@pytest.mark.parametrize('window', [1, 3, 8, 1000])
def test_every_sample_once(window):
    indices = order(SIZES, window=window)
    assert sorted(indices) == list(range(sum(SIZES)))


def test_epochs_and_seeds_differ_and_come_again():
    orders = [order(SIZES, epoch=e, seed=s) for e, s in [(0, 3), (1, 3)]]
    orders += [order(SIZES, seed=4), order(SIZES, seed=2, epoch=1)]
    assert len(set(map(tuple, orders))) == 4
    assert order(SIZES, epoch=1) == orders[1]


def test_few_shards_at_a_time():
    sizes, window = [50] * 40, 4
    shards = Shards(sizes).shard_numbers
    indices = order(sizes, window=window)
    for start in range(0, len(indices) - 100, 37):
        # A part may come to its next shard meanwhile.
        part = set(shards[indices[start : start + 100]])
        assert len(part) <= 2 * window
    first = np.array(indices[::window])
    # A part of the order goes through whole shards, shuffled within.
    changes = np.flatnonzero(np.diff(shards[first])) + 1
    assert list(changes) == list(range(50, 500, 50))
    assert list(first[:50]) != sorted(first[:50])


def test_processes_read_shards_of_their_own():
    sizes = [50] * 40
    shards = Shards(sizes).shard_numbers
    parts = [order(sizes, rank, 4, window=8) for rank in range(4)]
    assert sorted(chain(*parts)) == list(range(2000))
    own = [set(shards[part]) for part in parts]
    assert not any(own[a] & own[b] for a in range(4) for b in range(a))


@pytest.mark.parametrize('world', [2, 3, 4])
def test_what_was_seen_does_not_depend_on_the_processes(world):
    """So a run goes on with another number of them."""
    alone, batch = order(SIZES, window=4), 5
    parts = [order(SIZES, rank, world, window=4) for rank in range(world)]
    for step in range(1, 4):
        seen = {i for part in parts for i in part[: step * batch]}
        assert seen == set(alone[: step * batch * world])


def test_rounded_up_for_processes():
    parts = [order(SIZES, rank, 4, window=4) for rank in range(4)]
    assert [len(part) for part in parts] == [16] * 4
    counts = Counter(chain(*parts))
    assert len(counts) == sum(SIZES) == 63
    assert counts.total() == 64


def test_repeats_are_those_of_mmpretrain():
    """Of the same order, which it gives where it does not shuffle."""
    samplers = pytest.importorskip('mmpretrain.datasets.samplers')
    for rank in range(4):
        theirs = samplers.RepeatAugSampler(Shards(SIZES), shuffle=False)
        theirs.rank, theirs.world_size = rank, 4
        theirs.num_samples = -(-63 * 3 // 4)
        theirs.total_size = theirs.num_samples * 4
        theirs.num_selected_samples = 16
        assert order(SIZES, rank, 4, shuffle=False, num_repeats=3) == list(
            theirs
        )


def test_not_shuffled_it_is_the_order_of_the_shards():
    assert order(SIZES, shuffle=False) == list(range(63))


def test_other_data_sets_are_refused():
    with pytest.raises(UserError, match='list is none; take DefaultSampler'):
        list(ShardSampler([1, 2, 3], seed=0))
    with pytest.raises(UserError, match='from 1, not 0 and 1'):
        ShardSampler(Shards(SIZES), seed=0, window=0)
