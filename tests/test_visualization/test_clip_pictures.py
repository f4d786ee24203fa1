"""A clip as one picture."""

import numpy as np
import pytest

from mmuniformer.visualization.clips import class_name, draw_clip


@pytest.mark.parametrize(('number', 'shown'), [
    (1, [0]), (4, [0, 1, 2, 3]), (16, range(0, 16, 2)), (20, range(0, 20, 3)),
])  # fmt: skip
def test_frames_are_spread_over_the_clip(number, shown):
    frames = [np.full((30, 40, 3), i, np.uint8) for i in range(number)]
    picture = draw_clip(frames)
    assert picture.shape == (30, 40 * len(shown), 3)
    assert picture[0, ::40, 0].tolist() == [*shown]


def test_text_is_in_a_corner_and_the_frames_are_left_alone():
    frames = [np.full((60, 300, 3), 200.0) for _ in range(2)]
    picture = draw_clip(frames, [('true: 1', (255, 0, 0))])
    assert (picture[:18, :40] == (255, 0, 0)).all(axis=2).any()
    assert (picture[18:] == 200).all()
    assert (picture[:, 300:] == 200).all()
    assert (frames[0] == 200).all()


def test_class_without_a_name_is_its_number():
    assert class_name(1, ('a', 'b')) == 'b'
    assert class_name(1, None) == '1'
