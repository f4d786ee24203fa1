"""Shuffled clips hold the same frames, each clip its own."""

import pytest

from mmuniformer.datasets import ShuffleFrames


def shuffled(name: str, clips: int = 1, seed: int = 0) -> list[int]:
    frames = list(range(100, 100 + 8 * clips))
    results = dict(filename=name, imgs=frames, num_clips=clips)
    return ShuffleFrames(seed)(results)['imgs']


def test_every_frame_stays_in_its_clip():
    found = shuffled('a.mp4', clips=3)
    clips = [found[start : start + 8] for start in range(0, 24, 8)]
    for start, clip in zip(range(100, 124, 8), clips, strict=True):
        assert clip != sorted(clip) == list(range(start, start + 8))
    orders = {tuple(frame % 8 for frame in clip) for clip in clips}
    assert len(orders) == 3


@pytest.mark.parametrize(
    ('other', 'same'),
    [
        (dict(name='a.mp4'), True),
        (dict(name='b.mp4'), False),
        (dict(name='a.mp4', seed=1), False),
    ],
)
def test_orders_are_those_of_the_video_and_the_seed(other, same):
    assert (shuffled('a.mp4') == shuffled(**other)) == same
