"""How large the deviations are that the READMEs tell of."""

import re
import sys

import numpy as np
import pytest

pytest.importorskip('mmpose')
pytest.importorskip('mmaction')

from experiments import POSE, ROOT, VIDEO, augmentation, config
from mmengine.config import DictAction
from mmpose.datasets import CocoDataset

sys.path.insert(0, str(ROOT / 'tools/misc'))
import compare_augmentation

README = (ROOT / 'configs/video/uniformer/README.md').read_text()


def test_operations_are_those_of_pillow():
    """But for the last grey values, and at edges that move."""
    picture = compare_augmentation.smooth_noise()
    found = compare_augmentation.measure([picture])
    assert len(found) == 16
    moving = {
        n: found.pop(n)
        for n in list(found)
        if n.startswith(('Rotate', 'Shear', 'Translate'))
    }
    assert len(moving) == 5
    assert max(moving.values()) < 2
    assert 0.2 < found.pop('ColorTransform') < 0.5
    crop = found.pop('crop to 224 pixels')
    assert crop == pytest.approx(0.3, abs=0.05)
    assert max(found.values()) < 0.1
    said = (
        'at most 2 for what moves pixels, 0.5 for saturation, 0.1 for the '
        'others'
    )
    assert said in README
    assert 'compare_augmentation.py' in README


def test_noise_is_cut_off():
    """At black and white, which are 2 and 2.44 deviations away."""
    nodes = [t for e in VIDEO for t in augmentation(e)]
    nodes = [t for t in nodes if t.type == 'RandomErasing']
    assert {(*t.fill_color, *t.fill_std) for t in nodes} == {
        (114.75,) * 3 + (57.375,) * 3
    }
    noise = np.random.RandomState(0).normal(114.75, 57.375, 100_000)
    share = np.mean((noise < 0) | (noise > 255))
    assert share == pytest.approx(0.03, abs=0.003)
    assert '3 % of the noise is cut off' in README


def test_annotated_boxes_are_as_written():
    """Width and height are those of the file, not a pixel less."""
    dataset = CocoDataset(lazy_init=True, data_mode='topdown')
    info = dataset.parse_data_info(
        dict(
            raw_ann_info=dict(
                bbox=[10, 20, 30, 40],
                keypoints=[15, 25, 2] * 17,
                num_keypoints=17,
                area=1200,
                id=1,
                image_id=1,
                category_id=1,
            ),
            raw_img_info=dict(
                img_id=1, img_path='a.jpg', height=100, width=100
            ),
        )
    )
    assert info['bbox'].tolist() == [[10, 20, 40, 60]]


@pytest.mark.parametrize(
    ('page', 'experiment'),
    [
        ('configs/pose/topdown_heatmap/README.md', POSE[0]),
        ('configs/video/uniformer/README.md', VIDEO[0]),
        ('docs/video.md', VIDEO[-1]),
    ],
)
def test_the_switch_of_statistics_is_taken(page, experiment):
    """On a command line: no hook is left that would average them."""
    (text,) = re.findall(
        r'--cfg-options "(custom_hooks=\S+)"', (ROOT / page).read_text()
    )
    key, _, value = text.partition('=')
    cfg = config(experiment).copy()
    cfg.merge_from_dict({key: DictAction._parse_iterable(value)})
    assert cfg.custom_hooks == []
