"""Each column is a video of one class, with what was found."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.fileio import dump
from PIL import Image

pytest.importorskip('mmcv')

from mmuniformer.datasets.shapes.videos import write_video
from mmuniformer.visualization import actions
from mmuniformer.visualization.actions import COLOURS, action_sheet

CLASSES = ('left', 'right', 'up')


@pytest.fixture
def predictions(tmp_path) -> str:
    """Four videos that grow lighter, one of each class and one more."""
    results = []
    for index, (label, found) in enumerate([(1, 1), (0, 2), (1, 0), (2, 2)]):
        path = tmp_path / f'{index}.mp4'
        levels = 20 * index + np.arange(0, 150, 10)
        shape = np.ones((64, 64, 3), np.uint8)
        write_video(path, [shape * np.uint8(level) for level in levels])
        results.append(
            dict(filename=str(path), gt_label=[label], pred_label=[found])
        )
    dump(
        [
            {
                k: v if k == 'filename' else torch.tensor(v)
                for k, v in r.items()
            }
            for r in results
        ],
        tmp_path / 'predictions.pkl',
    )
    return str(tmp_path / 'predictions.pkl')


@pytest.fixture
def config() -> Config:
    dataset = dict(metainfo=dict(classes=CLASSES))
    return Config(dict(test_dataloader=dict(dataset=dataset)))


def test_first_videos_of_each_class_from_start_to_end(
    predictions, config, monkeypatch
):
    sheets = []
    monkeypatch.setattr(
        actions, 'contact_sheet', lambda *args, **kw: sheets.append((args, kw))
    )
    action_sheet('sheet.png', config, predictions)
    ((_, stacks, _), settings) = sheets[0]
    assert len(settings['names']) == 5
    found = []
    for stack in stacks:
        axes = Figure().subplots(5)
        for draw, place in zip(stack, axes, strict=True):
            draw(place)
        levels = [np.mean(a.images[0].get_array()) for a in axes]
        boxes = [
            text.get_bbox_patch().get_facecolor() for text in axes[0].texts
        ]
        texts = [text.get_text() for text in axes[0].texts]
        found.append((*texts, levels, to_rgb(boxes[1])))
    right, wrong = (np.divide(c, 255) for c in COLOURS.values())
    expected = [('left', 'up', 20, wrong), ('right', 'right', 0, right)]
    expected.append(('up', 'up', 60, right))
    for (*texts, levels, box), (*names, start, colour) in zip(
        found, expected, strict=True
    ):
        assert texts == names
        # The first, the middle and the last frame, and those between.
        wanted = start + np.array([0, 40, 70, 100, 140])
        assert np.abs(np.array(levels) - wanted).max() < 8
        assert box == pytest.approx(tuple(colour))


def test_sheet_is_written(predictions, config, tmp_path):
    action_sheet(tmp_path / 'sheet.png', config, predictions)
    width, height = Image.open(tmp_path / 'sheet.png').size
    assert height > width > 600
