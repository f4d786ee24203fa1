"""``pkg_resources``, which setuptools no longer has.

Defect: ``mmengine.utils`` imports it to find installed packages, so that
``_base_ = 'mmdet::...'`` ends in ``No module named 'pkg_resources'``.
Applies to: mmengine 0.10.7 and earlier with setuptools 82 and later.
Upstream: https://github.com/open-mmlab/mmengine/pull/1676
Gone when: ``pkg_resources`` is there, or mmengine does not use it. No patch:
the import says what to install.
"""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import, ask_last
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

NAME = 'pkg_resources'
REMEDY = 'pip install "setuptools<81"'
_MESSAGE = (
    f'mmengine imports {NAME}, which setuptools 82 and later do not have'
)


class MissingFinder:
    """Asked last: says what to install instead of "no module named"."""

    @staticmethod
    def find_spec(fullname, path=None, target=None) -> None:
        if fullname == NAME and _asked_by_mmengine():
            raise ModuleNotFoundError(f'{_MESSAGE}: {REMEDY}', name=NAME)


def _asked_by_mmengine() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get('__name__') == 'mmengine.utils.package_utils':
            return True
        frame = frame.f_back
    return False


def _needed_by(package_utils: ModuleType) -> bool:
    function = getattr(package_utils, 'get_installed_path', None)
    return function is not None and NAME in function.__code__.co_names


def _warn(package_utils: ModuleType) -> None:
    if _needed_by(package_utils) and find_spec(NAME) is None:
        warnings.warn(f'{_MESSAGE}: {REMEDY}', stacklevel=2)


def apply() -> None:
    # Said at every import of mmengine, and nothing its user can do about.
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    ask_last(MissingFinder)
    after_import('mmengine.utils.package_utils', _warn)


def status() -> Status:
    name = 'pkg_resources'
    if find_spec(NAME) is not None:
        return Status(name, 'not needed', f'setuptools has {NAME}')
    if not installed('mmengine'):
        return Status(name, 'missing', 'mmengine is not installed')
    from mmengine.utils import package_utils

    if not _needed_by(package_utils):
        return Status(name, 'not needed', 'mmengine does not use it')
    return Status(name, 'broken', _MESSAGE, REMEDY)
