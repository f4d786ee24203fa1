"""mmdet, mmseg and mmaction2 under mmcv 2.2.

Defect: they assert mmcv < 2.2.0 when they are imported (``MMCV==2.2.0 is
used but incompatible``), although mmcv 2.2.0, the only one with wheels for
torch 2.2 to 2.4, has every interface that they use.
Applies to: mmdet 3.3.0, mmsegmentation 1.2.2, mmaction2 1.2.0.
Upstream: https://github.com/open-mmlab/mmdetection/issues/11763
Gone when: the import does not end in that assertion. Only after the assertion
the library's ``__init__`` runs a second time, with mmcv 2.1.0 presented.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from mmuniformer.compat.import_hooks import ExecModule, around_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import release

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmaction', 'mmpretrain')
PRESENTED = '2.1.0'
_convinced: set[str] = set()


@contextmanager
def _presented(mmcv: ModuleType) -> Iterator[None]:
    actual = mmcv.__version__
    mmcv.__version__ = PRESENTED
    try:
        yield
    finally:
        mmcv.__version__ = actual


def _import_library(exec_module: ExecModule, module: ModuleType) -> None:
    try:
        exec_module(module)
    except AssertionError as error:
        mmcv = sys.modules.get('mmcv')
        if mmcv is None or not str(error).startswith('MMCV=='):
            raise
        # An mmcv that is too old is rightly refused.
        if release(mmcv.__version__) <= release(PRESENTED):
            raise
        with _presented(mmcv):
            exec_module(module)
        _convinced.add(module.__name__)


def apply() -> None:
    for name in LIBRARIES:
        if name not in sys.modules:
            around_import(name, _import_library)


def status() -> Status:
    name = 'mmcv version check'
    if _convinced:
        libraries = ', '.join(sorted(_convinced))
        return Status(
            name, 'active', f'{libraries}: the upper bound on mmcv is ignored'
        )
    return Status(name, 'not needed', 'no library refuses this mmcv')
