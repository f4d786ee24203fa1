"""The hue that images get, by the definition."""

import cv2
import numpy as np
import pytest

import mmuniformer  # noqa: F401
from mmuniformer.compat import hue_numpy

FACTORS = [-0.5, -0.25, -0.08, 0, 0.1, 0.5]


def picture():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


@pytest.mark.parametrize('factor', FACTORS)
@pytest.mark.parametrize('factor_type', [float, np.float64])
def test_of_mmcv(factor, factor_type):
    mmcv = pytest.importorskip('mmcv')
    image = picture()
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)
    hue = (hsv[..., 0].astype(int) + int(factor * 255)) % 256
    hsv[..., 0] = hue.astype(np.uint8)
    wanted = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR_FULL)
    for function in (mmcv.adjust_hue, mmcv.image.adjust_hue):
        got = function(image, factor_type(factor), backend='cv2')
        assert np.array_equal(got, wanted)
    with pytest.raises(ValueError, match='not in'):
        mmcv.adjust_hue(image, -0.7)


@pytest.mark.parametrize('factor', FACTORS)
def test_of_mmaction2(factor):
    module = pytest.importorskip('mmaction.datasets.transforms')
    image = picture()
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hue = hsv[..., 0].astype(int) + int(factor * 255)
    if factor > 0:
        hue %= 256
    hsv[..., 0] = (hue % 180).astype(np.uint8)
    wanted = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    got = module.ColorJitter.adjust_hue(image.astype(np.float32), factor)
    assert got.dtype == np.float32
    assert np.array_equal(got, wanted)
    jitter = module.ColorJitter(hue=0.5)
    for _ in range(5):
        assert len(jitter.transform(dict(imgs=[image]))['imgs']) == 1


def test_status():
    assert hue_numpy.status().state in ('active', 'not needed')
