"""Choosing frames, the order of colours and RandAugment, by themselves."""

import numpy as np
import pytest

from mmuniformer.datasets import ChannelOrder, ClipRandAugment, DenseSample
from mmuniformer.errors import UserError


class TestDenseSample:
    @pytest.mark.parametrize(
        'name', ['clip_len', 'frame_interval', 'num_clips']
    )
    def test_refuses_less_than_one(self, name):
        kwargs = dict(clip_len=4, frame_interval=2, num_clips=1) | {name: 0}
        with pytest.raises(ValueError, match=f'{name} must be at least 1'):
            DenseSample(**kwargs)

    def test_counts_from_the_start_index(self):
        results = DenseSample(4, 2, num_clips=2, test_mode=True)(
            dict(total_frames=20, start_index=1)
        )
        # Two stretches of 8 frames, the second one as late as it can be.
        assert results['frame_inds'].tolist() == [
            1, 3, 5, 8, 13, 15, 17, 20,
        ]  # fmt: skip
        assert results['num_clips'] == 2
        assert results['clip_len'] == 4

    def test_one_frame(self):
        results = DenseSample(1, 8, test_mode=True)(dict(total_frames=20))
        assert results['frame_inds'].tolist() == [6]

    def test_rate_without_a_rate_in_the_file(self):
        sampler = DenseSample(4, 2, test_mode=True, target_fps=30)
        results = sampler(dict(total_frames=8, avg_fps=0.0))
        assert results['frame_inds'].tolist() == [0, 2, 4, 7]

    def test_rate_with_a_reader_that_tells_none(self):
        """The clip would not be what the option asks for."""
        sampler = DenseSample(4, 2, test_mode=True, target_fps=30)
        with pytest.raises(UserError, match='target_fps=30 needs the rate'):
            sampler(dict(total_frames=8))

    @pytest.mark.parametrize('rate', [0, -30])
    def test_refuses_no_rate(self, rate):
        with pytest.raises(ValueError, match='target_fps must be above 0'):
            DenseSample(4, 2, target_fps=rate)


class TestChannelOrder:
    def test_changes_the_order_alone(self):
        frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        results = ChannelOrder('bgr')(dict(imgs=[frame, frame], label=3))
        assert results['label'] == 3
        for found in results['imgs']:
            assert (found == frame[..., [2, 1, 0]]).all()
            assert found.flags['C_CONTIGUOUS']

    def test_leaves_rgb_alone(self):
        frame = np.zeros((2, 4, 3), np.uint8)
        assert ChannelOrder('rgb')(dict(imgs=[frame]))['imgs'][0] is frame

    def test_refuses_another_word(self):
        with pytest.raises(ValueError, match="'bgr' or 'rgb', not 'gbr'"):
            ChannelOrder('gbr')


class TestClipRandAugment:
    def test_grey_of_saturation_is_that_of_rgb(self):
        """Red is darker than green: Pillow's weights for grey."""
        augment = ClipRandAugment(
            policies=[
                dict(
                    type='ColorTransform',
                    magnitude=-1.0,
                    prob=1.0,
                    random_negative_prob=0.0,
                )
            ],
            num_policies=1,
            magnitude_level=1,
        )
        colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
        grey = augment(dict(imgs=[colours]))['imgs'][0][0, :, 0]
        assert np.abs(grey.astype(int) - [76, 150, 29]).max() <= 1
