"""``mmcv._ext`` on torchvision's kernels, where mmcv has no compiled one.

Defect: there is no mmcv wheel for torch 2.5 and later, and ``mmcv-lite`` has
no compiled extension, so that every ``import mmcv.ops`` (all of mmdet, most of
mmseg, mmpose and mmaction2) dies with ``No module named 'mmcv._ext'``.
Applies to: mmcv-lite 2.x, or mmcv 2.x built with ``MMCV_WITH_OPS=0``.
Upstream: https://github.com/open-mmlab/mmcv/issues/3319
Gone when: the import system finds a compiled ``mmcv._ext``; our finder is
asked last, so a compiled extension always wins.
"""

from __future__ import annotations

import importlib
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path

from mmuniformer.compat.import_hooks import ask_last
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import distribution, installed

NAME = 'mmcv._ext'
_OPS = Path(__file__).with_name('mmcv_ops.py')
_LITE = 'pip install --no-deps mmcv-lite'


class ExtensionFinder:
    """Finds ``mmcv._ext`` in ``mmcv_ops.py``; nothing else."""

    @staticmethod
    def find_spec(fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        return spec_from_file_location(NAME, _OPS)


def _remedy() -> str:
    """What to type for an mmcv without the extension that does not load."""
    package = distribution('mmcv')
    if package in ('', 'mmcv', 'mmcv-lite'):
        return f'pip uninstall -y mmcv && {_LITE}'
    # pip builds a fork apart from torch, and then without an extension.
    return f'pip install --no-deps --force-reinstall --no-cache-dir {package}'


def apply() -> None:
    ask_last(ExtensionFinder)


def status() -> Status:
    name = 'compiled ops of mmcv'
    if not installed('mmcv'):
        return Status(
            name,
            'missing',
            'mmcv is not installed',
            _LITE,
        )
    spec = find_spec(NAME)
    ours = spec is not None and spec.origin == str(_OPS)
    try:
        importlib.import_module(NAME)
    # A binary built for another torch may raise anything.
    except Exception as error:
        return Status(
            name,
            'broken',
            f'mmcv._ext does not load: {str(error).splitlines()[0]}',
            # Our ops can only fail with torchvision, which has its own row.
            '' if ours else _remedy(),
        )
    if ours:
        return Status(
            name,
            'active',
            f"{distribution('mmcv')} has none: torchvision's kernels are used",
        )
    return Status(name, 'not needed', 'mmcv has a compiled extension')
