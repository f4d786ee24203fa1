"""Each column is a class; its last picture is the least sure one."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.fileio import dump
from PIL import Image

pytest.importorskip('mmcv')

from mmuniformer.visualization import classes
from mmuniformer.visualization.actions import COLOURS

CLASSES = ('circle', 'cross')
# True class, and scores.
FOUND = [
    (1, (0.2, 0.8)),
    (0, (0.9, 0.1)),
    (1, (0.7, 0.3)),
    (1, (0.1, 0.9)),
    (1, (0.0, 1.0)),
]


@pytest.fixture
def predictions(tmp_path) -> str:
    """Five pictures that grow lighter."""
    results = []
    for index, (label, scores) in enumerate(FOUND):
        path = tmp_path / f'{index}.png'
        Image.new('RGB', (8, 8), (20 * index, 0, 255)).save(path)
        results.append(
            dict(
                img_path=str(path),
                gt_label=torch.tensor([label]),
                pred_label=torch.tensor([int(np.argmax(scores))]),
                pred_score=torch.tensor(scores),
            )
        )
    dump(results, tmp_path / 'predictions.pkl')
    return str(tmp_path / 'predictions.pkl')


@pytest.fixture
def config() -> Config:
    dataset = dict(metainfo=dict(classes=CLASSES))
    return Config(dict(test_dataloader=dict(dataset=dataset)))


def test_first_pictures_of_each_class_and_the_least_sure(
    predictions, config, monkeypatch
):
    sheets = []
    monkeypatch.setattr(
        classes, 'contact_sheet', lambda *args, **kw: sheets.append((args, kw))
    )
    classes.class_sheet('sheet.png', config, predictions)
    (((_, stacks, _), settings),) = sheets
    assert settings['names'][-1] == 'least sure'
    found = []
    for stack in stacks:
        column = []
        for draw, axes in zip(stack, Figure().subplots(4), strict=True):
            draw(axes)
            # RGB: what varies is red.
            red = axes.images[0].get_array()[0, 0, 0]
            texts = [text.get_text() for text in axes.texts]
            box = axes.texts[1].get_bbox_patch().get_facecolor()
            column.append((red // 20, *texts, to_rgb(box)))
        found.append(column)
    right, wrong = (
        tuple(np.divide(colour, 255)) for colour in COLOURS.values()
    )
    circle = (1, 'circle', 'circle 90 %', right)
    assert found[0] == [circle] * 4
    assert found[1] == [
        (0, 'cross', 'cross 80 %', right),
        (2, 'cross', 'circle 70 %', wrong),
        (3, 'cross', 'cross 90 %', right),
        (2, 'cross', 'circle 70 %', wrong),
    ]


def test_sheet_is_written(predictions, config, tmp_path):
    classes.class_sheet(tmp_path / 'sheet.png', config, predictions)
    assert Image.open(tmp_path / 'sheet.png').size[1] > 700
