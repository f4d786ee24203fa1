"""Scales, crops and padding of detection and segmentation, over many draws."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from experiments import (
    DETECTION,
    RECIPES,
    SEGMENTATION,
    alike,
    built,
    near,
    pipeline,
    preprocessor,
)
from mmdet.structures import DetDataSample
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

SIDES = [480 + 32 * i for i in range(11)]


def image(height: int, width: int) -> np.ndarray:
    """Brighter to the right, rows alike."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2)


def is_flipped(picture: np.ndarray) -> bool:
    return picture[0, 0, 0] > picture[0, -1, 0]


def resized(size: tuple[int, int], scale: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image within a long and a short side."""
    factor = min(max(scale) / max(size), min(scale) / min(size))
    return tuple(int(side * factor + 0.5) for side in size)


@pytest.mark.parametrize(
    ('nodes', 'same'), alike(DETECTION, lambda e: pipeline(e, 'train')[2:-1])
)
def test_scales_of_detection(nodes, same):
    """One scale at 1x; at 3x eleven, of half of the images after a crop."""
    np.random.seed(3)
    transform, total = built(same[0], nodes), 200
    original = (60, 80)
    branches = RECIPES[same[0]]['pipeline']['branches']
    shown, flipped, cropped = Counter(), 0, 0
    for _ in range(total):
        results = transform(
            dict(img=image(*original), img_shape=original, ori_shape=original)
        )
        height, width = size = results['img'].shape[:2]
        flipped += is_flipped(results['img'])
        shown[min(results['scale'])] += 1
        assert max(results['scale']) == 1333
        # A crop alone changes the ratio of the sides.
        whole = resized(original, (1333, min(results['scale'])))
        if max(abs(height - whole[0]), abs(width - whole[1])) > 1:
            cropped += 1
            assert max(size) <= 1333
            assert min(size) <= min(results['scale'])
    assert near(flipped, 0.5, total)
    if len(branches) == 1:
        assert shown == {800: total}
        assert cropped == 0
    else:
        assert sorted(shown) == SIDES
        assert all(near(count, 1 / 11, total) for count in shown.values())
        assert near(cropped, 0.5, total)


@pytest.mark.parametrize(
    ('nodes', 'same'),
    alike(
        [e for e in DETECTION if len(RECIPES[e]['pipeline']['branches']) > 1],
        lambda e: pipeline(e, 'train')[3].transforms[1][:2],
    ),
)
def test_crops_of_detection(nodes, same):
    """Of 384 to 600 pixels, from an image of 400, 500 or 600."""
    np.random.seed(4)
    resize, crop = built(same[0], nodes).transforms
    before, sides = Counter(), []
    for _ in range(150):
        results = resize(dict(img=image(60, 80), img_shape=(60, 80)))
        height, width = results['img'].shape[:2]
        before[height] += 1
        cut = crop(results)['img'].shape[:2]
        sides.append(cut)
        assert min(height, 384) <= cut[0] <= min(height, 600)
        assert min(width, 384) <= cut[1] <= min(width, 600)
    assert sorted(before) == [400, 500, 600]
    assert all(near(count, 1 / 3, 150) for count in before.values())
    widths = [width for _, width in sides]
    assert min(widths) < 400
    assert max(widths) > 580


@pytest.mark.parametrize(
    ('_', 'same'), alike(DETECTION, lambda e: RECIPES[e]['pipeline'])
)
def test_padding_of_detection(_, same):
    """To a multiple of 32, with the mean of the images."""
    first = preprocessor(same[0])
    sample = DetDataSample(metainfo=dict(img_shape=(40, 50)))
    data = dict(
        inputs=[torch.full((3, 40, 50), 255, dtype=torch.uint8)],
        data_samples=[sample],
    )
    first.pad_mask = False
    inputs = first(data, training=True)['inputs']
    assert inputs.shape == (1, 3, 64, 64)
    assert (inputs[..., :40, :50] > 1).all()
    assert (inputs[..., 40:, :] == 0).all()
    assert (inputs[..., 50:] == 0).all()


@pytest.mark.parametrize(
    ('nodes', 'same'), alike(SEGMENTATION, lambda e: pipeline(e, 'train'))
)
def test_scales_and_crops_of_segmentation(nodes, same):
    """0.5 to 2 times (2048, 512), then 512 x 512 with several classes."""
    np.random.seed(5)
    values = RECIPES[same[0]]['pipeline']
    resize, crop, flip = built(same[0], nodes).transforms[2:5]
    ratios, flipped, total = [], 0, 120
    original = (64, 96)
    labels = np.zeros(original, np.uint8)
    labels[:, 48:] = 1
    for _ in range(total):
        results = resize(
            dict(
                img=image(*original),
                img_shape=original,
                gt_seg_map=labels,
                seg_fields=['gt_seg_map'],
            )
        )
        ratio = results['scale'][0] / 2048
        assert results['scale'][1] == int(512 * ratio + 1e-9) or (
            abs(results['scale'][1] - 512 * ratio) < 1
        )
        ratios.append(ratio)
        height, width = results['img'].shape[:2]
        results = flip(crop(results))
        assert results['img'].shape[:2] == (min(height, 512), min(width, 512))
        assert results['gt_seg_map'].shape == results['img'].shape[:2]
        flipped += is_flipped(results['img'])
    low, high = values['ratio_range']
    assert low <= min(ratios) < low + 0.1
    assert high - 0.1 < max(ratios) <= high
    mean = (low + high) / 2
    assert np.mean(ratios) == pytest.approx(mean, abs=4 * 0.433 / total**0.5)
    assert near(flipped, values['flip'], total)


@pytest.mark.parametrize(
    ('nodes', 'same'), alike(SEGMENTATION, lambda e: pipeline(e, 'train')[3])
)
def test_a_crop_with_one_class_alone_is_drawn_again(nodes, same):
    """Up to ten times, if a class has more than three quarters of it."""
    np.random.seed(6)
    (crop,) = built(same[0], [nodes]).transforms
    # Two classes, side by side: three in ten crops have enough of both.
    labels = np.zeros((512, 1400), np.uint8)
    labels[:, 700:] = 1
    share = []
    for _ in range(100):
        results = crop(
            dict(
                img=np.zeros((512, 1400, 3), np.uint8),
                img_shape=(512, 1400),
                gt_seg_map=labels,
                seg_fields=['gt_seg_map'],
            )
        )
        counts = np.bincount(results['gt_seg_map'].ravel(), minlength=2)
        share.append(counts.max() / counts.sum())
    assert np.mean(np.array(share) < 0.75) > 0.85
    # What has no label counts for nothing.
    labels[:] = 255
    labels[:, 300:] = 1
    assert crop(
        dict(
            img=np.zeros((512, 1400, 3), np.uint8),
            img_shape=(512, 1400),
            gt_seg_map=labels,
            seg_fields=['gt_seg_map'],
        )
    )['gt_seg_map'].shape == (512, 512)


@pytest.mark.parametrize(
    ('_', 'same'), alike(SEGMENTATION, lambda e: RECIPES[e]['pipeline'])
)
def test_padding_of_segmentation(_, same):
    """To 512 x 512: images with their mean, maps with what is ignored."""
    first = preprocessor(same[0])
    labels = PixelData(data=torch.ones(1, 40, 50, dtype=torch.long))
    sample = SegDataSample(metainfo=dict(img_shape=(40, 50)))
    sample.gt_sem_seg = labels
    data = dict(
        inputs=[torch.full((3, 40, 50), 255, dtype=torch.uint8)],
        data_samples=[sample],
    )
    out = first(data, training=True)
    inputs = out['inputs']
    assert inputs.shape == (1, 3, 512, 512)
    assert (inputs[..., :40, :50] > 1).all()
    assert (inputs[..., 40:, :] == 0).all()
    padded = out['data_samples'][0].gt_sem_seg.data[0]
    assert (padded[:40, :50] == 1).all()
    assert (padded[40:] == 255).all()
    assert (padded[:, 50:] == 255).all()


@pytest.mark.parametrize(
    ('nodes', 'same'),
    alike(
        SEGMENTATION,
        lambda e: [
            t
            for split in ('train', 'test')
            for t in pipeline(e, split)
            if t.type == 'LoadAnnotations'
        ],
    ),
)
def test_the_first_label_of_a_file_is_no_class(nodes, same, tmp_path: Path):
    path = tmp_path / 'map.png'
    cv2.imwrite(str(path), np.array([[0, 1], [150, 2]], np.uint8))
    for node in nodes:
        (load,) = built(same[0], [node]).transforms
        found = load(
            dict(
                seg_map_path=str(path),
                reduce_zero_label=True,
                label_map=None,
                seg_fields=[],
            )
        )['gt_seg_map']
        assert found.tolist() == [[255, 0], [149, 1]]


@pytest.mark.parametrize(
    ('nodes', 'same'),
    alike(
        [*DETECTION, *SEGMENTATION],
        lambda e: [t for t in pipeline(e, 'test') if 'Resize' in t.type],
    ),
)
@pytest.mark.parametrize('size', [(480, 640), (640, 427), (300, 1000)])
def test_sizes_of_a_test(nodes, same, size):
    """One scale; Semantic FPN goes on to the next multiples of 32."""
    results = built(same[0], nodes)(
        dict(img=image(*size), img_shape=size, ori_shape=size)
    )
    found = results['img'].shape[:2]
    scale = RECIPES[same[0]]['eval']['scale']
    expected = resized(size, scale)
    if RECIPES[same[0]]['eval'].get('size_divisor'):
        expected = tuple(-(-side // 32) * 32 for side in expected)
    assert found == expected
