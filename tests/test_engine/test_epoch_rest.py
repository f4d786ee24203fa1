"""What is left of an epoch for another number of processes."""

import math
import random
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from mmengine.dataset import DefaultSampler

from mmuniformer.engine.epoch_rest import shares, without
from mmuniformer.engine.loaders import NumberedBatches

BATCH = 2


class Images:
    """Sizes and categories of images, most of which are wide."""

    def __init__(self, number: int) -> None:
        self.metainfo = dict(classes=('a', 'b', 'c'))
        drawn = random.Random(0)
        self.wide = [drawn.random() < 0.72 for _ in range(number)]

    def __len__(self) -> int:
        return len(self.wide)

    def get_data_info(self, index: int) -> dict:
        sizes = [480, 640] if self.wide[index] else [640, 480]
        return dict(height=sizes[0], width=sizes[1])

    def get_cat_ids(self, index: int) -> list[int]:
        return [index % 3, (index + self.wide[index]) % 3]


def sampler(kind: str, images: Images, rank: int, world: int):
    from mmdet.datasets.samplers import ClassAwareSampler

    made = (
        DefaultSampler(images, seed=1)
        if kind == 'default'
        else ClassAwareSampler(images, seed=1)
    )
    made.rank, made.world_size = rank, world
    made.num_samples = math.ceil(len(images) / world)
    made.total_size = made.num_samples * world
    return made


def read(samplers: list, steps: int | None, orders: list | None = None):
    """What processes read in some steps, in batches of like shapes."""
    from mmdet.datasets.samplers import AspectRatioBatchSampler

    given = []
    for rank, each in enumerate(samplers):
        batches = NumberedBatches(AspectRatioBatchSampler(each, BATCH))
        if orders is not None:
            batches.go_to(0, rest=orders[rank])
        made = list(islice(batches, steps))
        assert steps is None or len(made) == steps
        given += [i for batch in made for i in batch]
    return given


@pytest.mark.parametrize('kind', ['default', 'classes'])
@pytest.mark.parametrize(
    ('before', 'now', 'steps'), [(2, 1, 300), (1, 2, 300), (32, 16, 31)]
)
def test_none_is_left_out(kind, before, now, steps):
    images = Images(4000)
    all_of = [
        [sampler(kind, images, rank, world) for rank in range(world)]
        for world in (before, now)
    ]
    seen = read(all_of[0], steps)
    counts = np.bincount(seen, minlength=len(images))
    orders = [list(each) for each in all_of[1]]
    left = shares(orders, counts)
    assert len({len(each) for each in left}) == 1
    total = Counter(seen) + Counter(read(all_of[1], None, left))
    epoch = Counter(i for order in orders for i in order)
    # All that there are, and a few that make the processes even.
    assert not epoch - total
    assert (total - epoch).total() < before + now


def test_a_sample_that_comes_twice():
    assert without([3, 1, 3, 2], [0, 1, 0, 1]) == [3, 2]
    assert shares([[0, 1], [2, 0]], [1, 0, 0]) == [[2, 0], [1, 2]]
    assert shares([[0], [1]], [1, 1]) == [[], []]
