"""What the models of pose learn: heatmaps, and how people are cut out."""

import numpy as np
import pytest
from experiments import POSE, RECIPES, alike, built, near, pipeline


def step(experiment: str, name: str):
    """The transform of training with this name, built."""
    (node,) = (t for t in pipeline(experiment, 'train') if t.type == name)
    return built(experiment, [node]).transforms[0]


@pytest.mark.parametrize('experiment', POSE)
def test_heatmaps(experiment):
    """1 at a keypoint, a bell around it, nothing for one that is hidden."""
    values = RECIPES[experiment]['pipeline']
    width, height = values['heatmap_size_wh']
    assert [4 * width, 4 * height] == values['input_size_wh']
    middle = np.array([width // 2, height // 2])
    keypoints = np.tile(middle * 4.0, (1, 17, 1)).astype(np.float32)
    visible = np.ones((1, 17), np.float32)
    visible[0, 3] = 0
    # Too far out for any of its bell to be seen.
    keypoints[0, 4] = -40 * values['sigma']
    found = step(experiment, 'GenerateTarget')(
        dict(
            keypoints=keypoints.copy(),
            transformed_keypoints=keypoints,
            keypoints_visible=visible,
            dataset_keypoint_weights=np.ones(17, np.float32),
        )
    )
    maps = found['heatmaps']
    assert maps.shape == (17, height, width)
    x, y = middle
    assert maps[0, y, x] == 1.0
    squares = np.arange(-6, 7) ** 2
    distances = squares[:, None] + squares[None]
    expected = np.exp(-distances / (2 * values['sigma'] ** 2))
    around = maps[0, y - 6 : y + 7, x - 6 : x + 7]
    assert np.abs(around - expected).max() < 1e-6
    assert maps[3].max() == maps[4].max() == 0
    weights = found['keypoint_weights'][0]
    assert (weights == np.where(np.isin(range(17), (3, 4)), 0, 1)).all()


@pytest.mark.parametrize(
    ('node', 'same'),
    alike(
        POSE,
        lambda e: [
            t for t in pipeline(e, 'train') if t.type == 'RandomBBoxTransform'
        ],
    ),
)
def test_how_boxes_are_moved(node, same):
    """Turned, enlarged and shifted, with the limits of the recipe."""
    np.random.seed(7)
    values = RECIPES[same[0]]['pipeline']
    transform, total = step(same[0], 'RandomBBoxTransform'), 2000
    # Boxes of 250 pixels, of which padding is a fifth.
    boxes = dict(
        bbox_center=np.zeros((total, 2), np.float32),
        bbox_scale=np.full((total, 2), 250.0, np.float32),
    )
    results = transform(boxes)
    turned = results['bbox_rotation']
    limit = 2 * values['rot_factor']
    assert near((turned != 0).sum(), 0.6, total)
    assert 0.95 * limit < np.abs(turned).max() <= limit
    # As docs/pose.md says; the official deviation is 40 before clipping.
    assert turned[turned != 0].std() == pytest.approx(43, abs=2)
    scales = results['bbox_scale'][:, 0] / 250
    half = values['scale_factor']
    assert 1 - half <= scales.min() < 1 - 0.95 * half
    assert 1 + 0.95 * half < scales.max() <= 1 + half
    assert scales.std() == pytest.approx(0.27, abs=0.02)
    shifts = results['bbox_center']
    assert near((shifts != 0).any(1).sum(), 0.3, total)
    # Up to 0.2 of the box of 200 pixels.
    assert 38 < np.abs(shifts).max() <= 40


@pytest.mark.parametrize(
    ('node', 'same'),
    alike(
        POSE,
        lambda e: [
            t
            for t in pipeline(e, 'train')
            if t.type in ('RandomHalfBody', 'RandomFlip')
        ],
    ),
)
def test_how_often_people_are_flipped_and_halved(node, same):
    np.random.seed(8)
    values = RECIPES[same[0]]['pipeline']
    half, flip = (step(same[0], n) for n in ('RandomHalfBody', 'RandomFlip'))
    total = 1000
    least = values['half_body']['num_joints']
    for seen in (least, least + 1):
        visible = np.zeros((total, 17), np.float32)
        visible[:, :seen] = 1
        upper, lower = list(range(11)), list(range(11, 17))
        chosen = half._random_select_half_body(visible, upper, lower)
        halved = sum(ids is not None for ids in chosen)
        if seen > least:
            assert near(halved, values['half_body']['prob'], total)
        else:
            assert halved == 0
    flips = sum(flip._choose_direction() is not None for _ in range(total))
    assert near(flips, values['flip'], total)


@pytest.mark.parametrize('experiment', POSE)
def test_people_are_cut_out_at_the_size_of_the_recipe(experiment):
    values = RECIPES[experiment]['pipeline']
    width, height = values['input_size_wh']
    for split in ('train', 'test'):
        (node,) = (
            t for t in pipeline(experiment, split) if t.type == 'TopdownAffine'
        )
        results = built(experiment, [node])(
            dict(
                img=np.zeros((200, 300, 3), np.uint8),
                bbox_center=np.array([[150.0, 100.0]], np.float32),
                bbox_scale=np.array([[100.0, 100.0]], np.float32),
            )
        )
        assert results['img'].shape == (height, width, 3)
