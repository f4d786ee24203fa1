"""The contact sheet shows what it is given."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mmuniformer.visualization.contact_sheet import contact_sheet
from mmuniformer.visualization.instances import Instances, draw_instances

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.mark.parametrize(('count', 'rows'), [(1, 2), (3, 2), (4, 4)])
def test_truth_stands_above_the_prediction(tmp_path, count, rows):
    def fill(colour):
        pixels = np.full((4, 4, 3), colour, np.uint8)
        return lambda axes: axes.imshow(pixels)

    out = tmp_path / 'new' / 'sheet.png'
    pairs = [(fill(RED), fill(BLUE))] * count
    contact_sheet(out, pairs, {'red': RED, 'blue': BLUE}, columns=3)
    picture = np.array(Image.open(out).convert('RGB'))
    cell = picture.shape[1] - 36 if count == 1 else (picture.shape[1] - 36) / 3
    centres = [picture[int(36 + (row + 0.5) * cell), int(36 + cell / 2)]
               for row in range(rows)]  # fmt: skip
    expected = [(RED, BLUE)[row % 2] for row in range(rows)]
    assert [tuple(map(int, centre)) for centre in centres] == expected


def test_instances_show_mask_box_label_and_score():
    masks = np.zeros((2, 20, 20), bool)
    masks[0, 2:6, 3:9] = masks[1, 10:19, 12:20] = True
    instances = Instances(
        labels=np.array([1, 0]),
        boxes=np.array([[3.0, 2, 9, 6], [12, 10, 20, 19]]),
        masks=masks,
        scores=np.array([0.914, 0.5]),
    )
    axes = Figure().subplots()
    image = np.zeros((20, 20, 3), np.uint8)
    draw_instances(axes, image, instances, ('red', 'blue'), (RED, BLUE))
    assert [text.get_text() for text in axes.texts] == ['blue 91%', 'red 50%']
    assert [patch.get_bbox().bounds for patch in axes.patches] == [
        (2.5, 1.5, 6, 4),
        (11.5, 9.5, 8, 9),
    ]
    overlays = [np.asarray(shown.get_array()) for shown in axes.images[1:]]
    for overlay, mask, colour in zip(
        overlays, masks, (BLUE, RED), strict=True
    ):
        assert ((overlay[..., 3] > 0) == mask).all()
        assert (overlay[mask][:, :3] == np.divide(colour, 255)).all()
