"""Two sides of a data set."""

from collections import Counter

import pytest

from mmuniformer.errors import UserError
from mmuniformer.owndata.splitting import split

FILES = [f'video{n // 10}/{n:03d}.jpg' for n in range(100)]
CLASSES = ['rare' if n % 20 == 0 else 'ab'[n % 2] for n in range(100)]
COUNTS = [Counter({name: 1}) for name in CLASSES]


def test_classes_are_on_both_sides_in_their_shares():
    train, val = split(FILES, COUNTS, 0.8, 0, None)
    assert sorted(train + val) == list(range(100))
    assert not set(train) & set(val)
    for name in ('rare', 'a', 'b'):
        number = CLASSES.count(name)
        there = sum(CLASSES[i] == name for i in train)
        assert there == pytest.approx(0.8 * number, abs=1)


def test_the_seed_decides():
    assert split(FILES, COUNTS, 0.8, 3, None) == split(
        FILES, COUNTS, 0.8, 3, None
    )
    assert split(FILES, COUNTS, 0.8, 3, None) != split(
        FILES, COUNTS, 0.8, 4, None
    )


@pytest.mark.parametrize('by', ['folder', r'^(video\d)'])
def test_groups_stay_on_one_side(by):
    train, val = split(FILES, COUNTS, 0.7, 0, by)
    sides = [{FILES[i].split('/')[0] for i in side} for side in (train, val)]
    assert not sides[0] & sides[1]
    assert 50 <= len(train) <= 80


def test_what_has_no_class_is_shared_out_too():
    train, _ = split(FILES, [Counter()] * 100, 0.8, 0, None)
    assert len(train) == 80


@pytest.mark.parametrize(
    ('files', 'by', 'said'),
    [
        (['one.jpg'], None, 'at least two samples, and there is 1'),
        (['v/1', 'v/2'], 'folder', 'at least two groups, and there is 1: v'),
        (['v/1', 'w/2'], r'x(\d)', 'v/1 does not match'),
        (['v/1', 'w/2'], r'(', 'neither folder nor a regular'),
    ],
)
def test_nothing_to_choose(files, by, said):
    with pytest.raises(UserError, match=said):
        split(files, [Counter()] * len(files), 0.5, 0, by)


def test_no_side_is_empty():
    for share in (0.01, 0.99):
        train, val = split(FILES[:3], COUNTS[:3], share, 0, None)
        assert train
        assert val
