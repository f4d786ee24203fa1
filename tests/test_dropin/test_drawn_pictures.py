"""Generated pictures: what is said of them is in them."""

import numpy as np

from mmuniformer.dropin.samples import draw


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


def test_a_seed_is_a_picture():
    assert (draw(1, 96).image == draw(1, 96).image).all()
    assert (draw(1, 96).image != draw(2, 96).image).any()
