"""Generated pictures: what is said of them is in them."""

import numpy as np
import pytest

from mmuniformer.dropin.samples import draw
from mmuniformer.dropin.samples.pictures import as_tensor


def test_boxes_and_masks_are_of_the_same_things():
    picture = draw(3, 128, shape=(96, 160))
    assert picture.size == (96, 160)
    assert len(picture.boxes) == len(picture.masks) == len(picture.labels)
    for box, mask in zip(picture.boxes, picture.masks, strict=True):
        rows, columns = np.nonzero(mask)
        around = [columns.min(), rows.min(), columns.max(), rows.max()]
        assert np.abs(np.array(around) - box).max() <= 3
    people = (picture.labels == 0).sum()
    assert len(picture.keypoints) == people > 0


@pytest.mark.parametrize('channels', [1, 3, 6])
def test_a_tensor_has_the_channels_of_the_model(channels):
    picture = draw(1, 64)
    tensor = as_tensor(picture, dict(backbone=dict(in_channels=channels)))
    assert tensor.shape == (channels, 64, 64)
    blue, last = picture.image[..., 0], picture.image[..., (channels - 1) % 3]
    assert (tensor[0].numpy() == blue).all()
    assert (tensor[-1].numpy() == last).all()


def test_a_seed_is_a_picture():
    assert (draw(1, 96).image == draw(1, 96).image).all()
    assert (draw(1, 96).image != draw(2, 96).image).any()
