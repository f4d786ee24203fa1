"""mmpose's drawing of keypoints under numpy 2.4.

Defect: its OpenCV backend calls ``int(radius)`` on an array of one element,
which numpy 2.4 refuses (``only 0-dimensional arrays can be converted``).
Applies to: mmpose 1.3.2.
Upstream: https://github.com/open-mmlab/mmpose (no issue found)
Gone when: numpy converts such an array, or mmpose passes a number. A number
is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmpose.visualization.opencv_backend_visualizer'


def _is_defect() -> bool:
    import numpy as np

    try:
        int(np.array([1]))
    except TypeError:
        return True
    return False


def _with_number(draw: Callable) -> Callable:
    import numpy as np

    def draw_circles(self, center, radius, *args, **kwargs):
        # The other backend, matplotlib, wants the array.
        if self.backend == 'opencv':
            radius = np.asarray(radius).item()
        return draw(self, center, radius, *args, **kwargs)

    return draw_circles


def _patch(module: ModuleType) -> None:
    if _is_defect():
        visualizer = module.OpencvBackendVisualizer
        replace_once(visualizer, 'draw_circles', _with_number, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmpose draws keypoints'
    if not installed('mmpose'):
        return Status(name, 'not needed', 'mmpose is not installed')
    from mmpose.visualization import opencv_backend_visualizer as drawing

    draw = drawing.OpencvBackendVisualizer.draw_circles
    if is_replaced(draw, by=__name__):
        return Status(name, 'active', 'radius passed as a number')
    return Status(name, 'not needed', 'numpy converts arrays of one element')
