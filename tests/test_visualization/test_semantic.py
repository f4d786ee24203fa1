"""The sheet of a segmentor shows image, labels and prediction."""

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.fileio import dump
from PIL import Image

from mmuniformer.visualization.semantic import paint, semantic_sheet

PALETTE = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]


def test_labels_have_their_colours_and_what_is_ignored_is_white():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    painted = paint(labels, np.array(PALETTE, np.uint8))
    white = (255, 255, 255)
    assert painted.tolist() == [
        [list(PALETTE[0]), list(PALETTE[1])],
        [list(PALETTE[2]), list(white)],
    ]


def test_image_truth_and_prediction_stand_in_this_order(tmp_path):
    green = np.full((8, 8, 3), (0, 255, 0), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), green)
    result = dict(
        img_path=str(tmp_path / 'a.png'),
        gt_sem_seg=dict(data=np.full((1, 8, 8), 1)),
        pred_sem_seg=dict(data=np.full((1, 8, 8), 2)),
    )
    dump([result] * 3, tmp_path / 'predictions.pkl')
    metainfo = dict(classes=('none', 'red', 'blue'), palette=PALETTE)
    config = Config(
        dict(test_dataloader=dict(dataset=dict(metainfo=metainfo)))
    )
    out = tmp_path / 'sheet.png'
    semantic_sheet(out, config, tmp_path / 'predictions.pkl', count=2)
    picture = np.array(Image.open(out).convert('RGB')).astype(int)
    # Two images side by side: three cells above each other.
    cell = (picture.shape[1] - 36) / 2
    centres = picture[[int(36 + (row + 0.5) * cell) for row in range(3)]]
    for x in (0.5, 1.5):
        column = centres[:, int(36 + x * cell)]
        expected = [(0, 255, 0), PALETTE[1], PALETTE[2]]
        assert abs(column - expected).max() < 8
