"""Skeletons are drawn where the keypoints are, a side in its colour."""

import json

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.fileio import dump

from mmuniformer.datasets.shapes import generate
from mmuniformer.visualization import skeletons
from mmuniformer.visualization.skeletons import (
    COLOURS,
    Poses,
    Skeleton,
    draw_poses,
    pose_sheet,
)

SKELETON = Skeleton(
    names=('nose', 'left_hip', 'left_knee', 'right_hip'),
    bones=((0, 1), (1, 2), (1, 3)),
)


def test_bones_between_shown_keypoints_have_the_colour_of_their_side():
    points = np.array([[[1.0, 2], [3, 4], [5, 6], [7, 8]]])
    shown = np.array([[False, True, True, True]])
    axes = Figure().subplots()
    image = np.zeros((20, 20, 3), np.uint8)
    draw_poses(axes, image, Poses(points, shown), SKELETON)
    bones = [line for line in axes.lines if len(line.get_xdata()) == 2]
    dots = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [line.get_xydata().tolist() for line in bones] == [
        [[2.5, 3.5], [4.5, 5.5]],
        [[2.5, 3.5], [6.5, 7.5]],
    ]
    assert [line.get_xydata().tolist() for line in dots] == [
        [[2.5, 3.5]],
        [[4.5, 5.5]],
        [[6.5, 7.5]],
    ]

    def colours(lines):
        return [
            tuple(round(255 * c) for c in to_rgb(line.get_color()))
            for line in lines
        ]

    assert colours(bones) == [COLOURS['left'], COLOURS['middle']]
    assert colours(dots) == [COLOURS[s] for s in ('left', 'left', 'right')]


def test_sheet_shows_truth_and_confident_predictions(tmp_path, monkeypatch):
    pairs = []
    monkeypatch.setattr(
        skeletons, 'contact_sheet', lambda out, shown, _: pairs.extend(shown)
    )
    generate(tmp_path / 'shapes', train=1, val=6, size=96)
    ann_file = 'annotations/person_keypoints_val.json'
    content = json.loads((tmp_path / 'shapes' / ann_file).read_text())
    predictions = tmp_path / 'predictions.pkl'
    results = []
    for person in content['annotations']:
        values = np.reshape(person['keypoints'], (1, 17, 3))
        name = f'{person["image_id"]:06d}.jpg'
        results.append(
            {
                'img_id': person['image_id'],
                'img_path': str(tmp_path / 'shapes/images/val' / name),
                'pred_instances': {
                    'keypoints': values[..., :2],
                    # As sure of a keypoint as its annotation.
                    'keypoint_scores': np.minimum(values[..., 2], 1),
                },
            }
        )
    dump(results, predictions)
    dataset = dict(data_root=str(tmp_path / 'shapes'), ann_file=ann_file)
    config = Config(dict(test_dataloader=dict(dataset=dataset)))
    pose_sheet(tmp_path / 'sheet.png', config, predictions)

    assert len(pairs) == len({result['img_id'] for result in results})
    for truth, prediction in pairs:
        axes = Figure().subplots(2)
        truth(axes[0])
        prediction(axes[1])
        first, second = (
            [line.get_xydata().tolist() for line in a.lines] for a in axes
        )
        assert first == second
        assert first
