"""Several augmented copies of a clip."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope

from mmuniformer.datasets import RepeatAugment


def number(results: dict) -> dict:
    """A transform that writes into the frames it is given."""
    results['imgs'][0] += np.random.randint(1, 1000)
    return results


@pytest.fixture
def clip() -> dict:
    return dict(imgs=[np.zeros((2, 2), int)], label=3)


def test_each_copy_is_augmented_on_its_own(clip):
    np.random.seed(0)
    copies = RepeatAugment([number], num_repeats=3)(clip)
    assert len({copy['imgs'][0][0, 0] for copy in copies}) == 3
    assert [copy['label'] for copy in copies] == [3, 3, 3]
    assert (clip['imgs'][0] == 0).all()


def test_a_clip_that_a_transform_drops_is_dropped(clip):
    dropped = iter([False, True])
    copies = RepeatAugment([lambda r: None if next(dropped) else r])(clip)
    assert copies is None


def test_transforms_are_built(clip):
    flip = dict(type='Flip', flip_ratio=1.0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        augment = RepeatAugment([flip])
    frame = np.arange(4, dtype=np.uint8).reshape(2, 2)
    clip.update(imgs=[frame], img_shape=(2, 2), modality='RGB')
    first, second = augment(clip)
    for copy in (first, second):
        assert (copy['imgs'][0] == [[1, 0], [3, 2]]).all()
    assert (frame == [[0, 1], [2, 3]]).all()
    assert 'num_repeats=2' in repr(augment)
    assert 'Flip(' in repr(augment)


def test_no_copy_is_refused():
    with pytest.raises(ValueError, match='num_repeats must be at least 1'):
        RepeatAugment([number], num_repeats=0)
