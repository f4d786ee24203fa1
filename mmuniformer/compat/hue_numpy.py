"""Jitter of hue in mmcv and mmaction2 under numpy 2.

Defect: both shift a hue of 8 bits by a number that is negative half of the
time, which numpy 2 refuses (``Python integer -20 out of bounds for uint8``).
Applies to: mmcv 2.0 to 2.2 (``adjust_hue``, with it mmpretrain's
``ColorJitter`` and AutoAugment), mmaction2 1.2.0 (``ColorJitter``).
Upstream: https://github.com/open-mmlab/mmcv/issues/3292
Gone when: numpy converts such a number, or they do not ask it to. What is
computed is what numpy 1 made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MMCV = 'mmcv.image.photometric'
_MMACTION = 'mmaction.datasets.transforms.processing'


def _is_defect() -> bool:
    import numpy as np

    try:
        np.uint8(-1)
    except OverflowError:
        return True
    return False


def _positive(adjust_hue: Callable) -> Callable:
    """mmcv's, with a turn that is not negative."""

    def adjust(img, hue_factor, backend=None):
        if not -0.5 <= hue_factor < 0:
            return adjust_hue(img, hue_factor, backend)
        # Eight bits wrap at 256.
        return adjust_hue(img, _Turn(hue_factor), backend)

    return adjust


class _Turn(float):
    """A negative share of a turn whose product is counted from 256 down."""

    def __mul__(self, full: float) -> float:
        return int(float(self) * full) % 256

    __rmul__ = __mul__


def _in_more_bits(adjust_hue: Callable) -> Callable:
    def adjust(img, factor):
        import cv2
        import numpy as np

        img = np.clip(img, 0, 255).astype(np.uint8)
        hsv = cv2.cvtColor(img, cv2.COLOR_RGB2HSV)
        offset = int(factor * 255)
        # Without a sign numpy 1 stayed within eight bits.
        hue = hsv[..., 0] if offset >= 0 else hsv[..., 0].astype(np.int16)
        hsv[..., 0] = (hue + offset) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    return adjust


def _patch_mmcv(module: ModuleType) -> None:
    # mmcv.image binds the function after this.
    if _is_defect():
        replace_once(module, 'adjust_hue', _positive, by=__name__)


def _patch_mmaction(module: ModuleType) -> None:
    if _is_defect():
        replace_once(
            module.ColorJitter, 'adjust_hue', _in_more_bits, by=__name__
        )


def apply() -> None:
    after_import(_MMCV, _patch_mmcv)
    after_import(_MMACTION, _patch_mmaction)


def status() -> Status:
    name = 'jitter of hue under numpy 2'
    if not installed('mmcv'):
        return Status(name, 'not needed', 'mmcv is not installed')
    from mmcv.image import adjust_hue

    if is_replaced(adjust_hue, by=__name__):
        return Status(name, 'active', 'the hue is turned without a sign')
    return Status(name, 'not needed', 'numpy takes negative turns')
