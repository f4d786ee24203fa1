"""Pictures of predictions: as thick and as large as the photo needs."""

from itertools import pairwise

import numpy as np
import pytest

from mmuniformer.visualization.overlays import (
    draw_label_map,
    draw_objects,
    draw_skeletons,
    limb_width,
)
from mmuniformer.visualization.skeletons import scale_skeletons
from mmuniformer.visualization.tags import Tags, palette, tag, text_size

RED, GREEN = (0, 0, 255), (0, 255, 0)


def blank(height, width):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize('scale', [1, 6])
def test_lines_and_words_grow_with_the_photo(scale):
    """The same share of the picture is drawn on."""
    image = blank(480 * scale, 640 * scale)
    box = np.array([[100, 100, 300, 400]]) * scale
    draw_objects(image, box, ['person 0.99'], [RED])
    share = image.any(-1).mean()
    assert share == pytest.approx(0.017, rel=0.3)
    # Inside of the box nothing is drawn.
    assert not image[250 * scale, 200 * scale].any()


def test_a_mask_is_drawn_where_it_is():
    image = blank(100, 100)
    mask = np.zeros((1, 100, 100), bool)
    mask[0, 40:60, 40:60] = True
    draw_objects(image, np.array([[40, 40, 60, 60]]), ['x'], [RED], mask)
    assert image[50, 50].tolist() == [0, 0, 114]
    assert not image[80, 80].any()


@pytest.mark.parametrize(
    'box', [(0, 0, 20, 20), (180, 0, 200, 20), (-9, 90, 20, 150)]
)
def test_words_stay_inside_and_apart(box):
    image = blank(100, 200)
    drawn = Tags(image)
    drawn.beside(box, 'first', RED)
    first = (image == RED).all(-1).sum()
    drawn.beside(box, 'second', GREEN)
    # Neither covers the other or leaves the picture.
    assert (image == RED).all(-1).sum() == first > 200
    whole = tag('second', text_size(image), GREEN)
    assert (image == GREEN).all(-1).sum() == (whole == GREEN).all(-1).sum()


def test_names_of_any_language_and_length():
    for text in ('Straße Ωμέγα ёлка', 'x' * 500, ''):
        image = blank(64, 64)
        draw_objects(image, np.array([[0, 0, 30, 30]]), [text], [RED])
        assert image.any()


def test_skeletons_are_as_thick_as_figure_and_photo_are_large():
    points = np.array([[100, 100], [100, 340]])
    assert limb_width((480, 640), points) == 3
    assert limb_width((3000, 4000), points * 6) == 21
    # A small figure in a large photo is no blob.
    assert limb_width((3000, 4000), points / 6) == 1
    image = blank(3000, 4000)
    draw_skeletons(
        image,
        points[None] * 6,
        np.ones((1, 2), bool),
        [(0, 1)],
        [RED, RED],
        [GREEN],
    )
    row = image[220 * 6]
    assert (row == GREEN).all(-1).sum() == pytest.approx(21, abs=2)
    image = blank(480, 640)
    draw_skeletons(
        image, points[None], np.zeros((1, 2), bool), [(0, 1)], [RED] * 2, [RED]
    )
    assert not image.any()


def test_label_map_names_its_classes():
    image = np.full((200, 300, 3), 200, np.uint8)
    labels = np.zeros((200, 300), int)
    labels[:, 150:] = 2
    draw_label_map(image, labels, ['sky', 'no', 'road'], [RED, RED, GREEN])
    left, right = image[190, 10].astype(int), image[190, 290].astype(int)
    assert left[2] > left[1] + 100
    assert right[1] > right[2] + 100
    assert (image[:, 150:] == GREEN).all(-1).any()


def test_colours_differ():
    colours = palette(80)
    assert len(set(colours)) == 80
    assert palette(5) == colours[:5]
    near = [
        np.abs(np.subtract(one, other)).max()
        for one, other in pairwise(colours)
    ]
    assert min(near) > 60


def test_the_librarys_skeletons_are_scaled():
    structures = pytest.importorskip('mmpose.structures')
    from mmengine.structures import InstanceData
    from mmpose.visualization import PoseLocalVisualizer

    def drawn(height, width):
        sample = structures.PoseDataSample()
        places = np.array([[[0.5, 0.2], [0.5, 0.8]]]) * [width, height]
        sample.gt_instances = InstanceData(
            keypoints=places, keypoints_visible=np.ones((1, 2))
        )
        visualizer.kpt_color = [RED, RED]
        visualizer.skeleton = [(0, 1)]
        visualizer.link_color = [GREEN]
        scale_skeletons(visualizer, (height, width))
        picture = visualizer.add_datasample(
            'x',
            blank(height, width),
            sample,
            draw_pred=False,
            draw_bbox=False,
        )
        return picture[height // 2].any(-1).sum()

    visualizer = PoseLocalVisualizer(radius=3, line_width=1)
    assert drawn(1500, 2000) >= 10
    # Of a small one it is what its config says, also after a large one.
    assert drawn(150, 200) <= 3


def test_another_librarys_visualizer_is_left_alone():
    scale_skeletons(object(), (9, 9))
