"""RandAugment and AutoAugment against recorded values of timm 0.4.12."""

import json
from collections import Counter

import numpy as np
import pytest
from golden_data import FOLDER
from mmengine.registry import TRANSFORMS

from mmuniformer.datasets.affine import MOVES, move_label_map
from mmuniformer.datasets.timm_augment import NAMES, POLICY_V0

RECORDED = json.loads((FOLDER / 'timm_augment.json').read_text())['values']
KINDS = {
    'increasing': 'mmuniformer.TimmRandAugment',
    'v0': 'mmuniformer.TimmAutoAugment',
}


def picture() -> np.ndarray:
    """RGB, of 32 x 24 pixels."""
    y, x = np.mgrid[:24, :32]
    channels = [x * 8 + y * 3, y * 10 + x, x * y]
    return (np.stack(channels, -1) % 256).astype(np.uint8)


@pytest.mark.parametrize('case', RECORDED)
def test_operations(case, monkeypatch):
    kind, name, level, sign = case.split()
    augment = TRANSFORMS.build(dict(type=KINDS[kind]))
    monkeypatch.setattr(augment, 'draw', lambda: [(name, float(level))])
    drawn = 0.9 if sign == '-' else 0.0
    monkeypatch.setattr(np.random, 'rand', lambda: drawn)
    image = augment(dict(img=picture()[..., ::-1]))['img']
    values = image[..., ::-1].ravel()[::191].astype(int)
    assert np.abs(values - RECORDED[case]).max() <= 1


def test_what_rand_augment_draws():
    """rand-m9-mstd0.5-inc1: with replacement, each used every other time."""
    augment = TRANSFORMS.build(dict(type=KINDS['increasing']))
    np.random.seed(0)
    drawn = [augment.draw() for _ in range(6000)]
    numbers = Counter(map(len, drawn))
    for number, share in ((0, 1 / 4), (1, 1 / 2), (2, 1 / 4)):
        assert numbers[number] / 6000 == pytest.approx(share, abs=0.02)
    names = Counter(name for draw in drawn for name, _ in draw)
    assert set(names) == set(NAMES)
    assert len(NAMES) == 15
    assert all(
        n / 6000 == pytest.approx(1 / 15, abs=0.01) for n in names.values()
    )
    assert any(d[0][0] == d[1][0] for d in drawn if len(d) == 2)
    levels = [level for draw in drawn for _, level in draw]
    assert np.mean(levels) == pytest.approx(9, abs=0.03)
    assert np.std(levels) == pytest.approx(0.5, abs=0.03)


def test_what_auto_augment_draws():
    augment = TRANSFORMS.build(dict(type=KINDS['v0']))
    np.random.seed(0)
    drawn = Counter(tuple(augment.draw()) for _ in range(5000))
    # Of the policy (Equalize, 1.0, 9), (ShearY, 0.6, 3).
    both = drawn[('Equalize', 9), ('ShearY', 3)] / 5000
    assert both == pytest.approx(0.6 / 25, abs=0.01)
    assert len(POLICY_V0) == 25


def test_interpolation_is_drawn_for_each_operation(monkeypatch):
    results = []
    for kind in ('bilinear', 'bicubic', 'random'):
        augment = TRANSFORMS.build(
            dict(type=KINDS['increasing'], interpolation=kind)
        )
        monkeypatch.setattr(augment, 'draw', lambda: [('Rotate', 5)])
        np.random.seed(0)
        made = set()
        for _ in range(40):
            image = augment(dict(img=picture()))['img']
            made.add(image.tobytes())
        results.append(made)
    # Two signs each.
    bilinear, bicubic, either = results
    assert len(bilinear) == len(bicubic) == 2
    assert either == bilinear | bicubic
    with pytest.raises(ValueError, match=r"interpolation must .* 'nearest'"):
        TRANSFORMS.build(dict(type=KINDS['v0'], interpolation='nearest'))


def label_map(height=4, width=4) -> np.ndarray:
    """Scores from 1, classes from 100, counted by rows."""
    count = np.arange(height * width, dtype=np.float32)
    return np.stack([count + 1, count + 100]).reshape(2, 1, height, width)


def test_moved_label_maps_by_hand():
    """Places outside: no score, and the class at the edge."""
    scores, classes = move_label_map(label_map(), 'TranslateX', 0.25)[:, 0]
    assert scores[0].tolist() == [2, 3, 4, 0]
    assert classes[0].tolist() == [101, 102, 103, 103]
    scores, classes = move_label_map(label_map(), 'TranslateY', -0.5)[:, 0]
    assert scores[:, 0].tolist() == [0, 0, 1, 5]
    assert classes[:, 0].tolist() == [100, 100, 100, 104]
    scores, _ = move_label_map(label_map(), 'Rotate', 90)[:, 0]
    assert scores.tolist() == np.rot90(label_map()[0, 0]).tolist()
    # Row y takes from x + 0.3 y, at the middles of places.
    scores, _ = move_label_map(label_map(), 'ShearX', 0.3)[:, 0]
    assert scores[0].tolist() == [1, 2, 3, 4]
    assert scores[3].tolist() == [14, 15, 16, 0]


@pytest.mark.parametrize('move', MOVES)
@pytest.mark.parametrize('sign', [1, -1])
def test_label_maps_move_as_their_images(move, sign, monkeypatch):
    """Of an image with a square for each place of the map."""
    labels = label_map(8, 8)
    side = 16
    image = np.kron(labels[0, 0], np.ones((side, side))).astype(np.uint8)
    augment = TRANSFORMS.build(
        dict(type=KINDS['increasing'], interpolation='bilinear', fill=[0] * 3)
    )
    monkeypatch.setattr(augment, 'draw', lambda: [(move, 9.0)])
    drawn = 0.0 if sign > 0 else 0.9
    monkeypatch.setattr(np.random, 'rand', lambda: drawn)
    results = augment(dict(img=np.stack([image] * 3, -1), token_label=labels))
    # The middle pixels of the squares.
    middles = slice(side // 2, None, side)
    seen = results['img'][middles, middles, 0]
    scores = results['token_label'][0, 0]
    assert (seen == scores).mean() > 0.8
    assert not (scores == labels[0, 0]).all()


def test_colours_leave_label_maps_alone(monkeypatch):
    augment = TRANSFORMS.build(dict(type=KINDS['increasing']))
    names = [(name, 9.0) for name in NAMES if name not in MOVES]
    assert len(names) == 10
    monkeypatch.setattr(augment, 'draw', lambda: names)
    results = augment(dict(img=picture(), token_label=label_map()))
    assert (results['token_label'] == label_map()).all()
