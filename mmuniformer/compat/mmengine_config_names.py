"""``_base_ = 'mmdet::gn+ws/...'``, a folder with signs in its name.

Defect: mmengine takes the folder of an installed config to be of letters,
digits and ``_`` alone, and calls any other name no name of a config. mmdet's
own folders ``gn+ws`` and ``legacy_1.x`` are such.
Applies to: mmengine 0.10.7 and onedl-mmengine 0.10.12.
Upstream: https://github.com/open-mmlab/mmengine
Gone when: mmengine reads such a name.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

# Each has the function under its own name.
_MODULES = ('mmengine.config.config', 'mmengine.hub.hub')
_FUNCTION = '_get_package_and_cfg_path'
_CONFIG = 'mmdet::gn+ws/config.py'


def _is_defective(function: Callable) -> bool:
    try:
        function(_CONFIG)
    except ValueError:
        return True
    return False


def _patch(module: ModuleType) -> None:
    if _is_defective(getattr(module, _FUNCTION)):
        replace_once(module, _FUNCTION, _of_any_folder, by=__name__)


def _of_any_folder(original: Callable) -> Callable:
    def get_package_and_path(cfg_path: str) -> tuple[str, str]:
        try:
            return original(cfg_path)
        except ValueError:
            library, colons, path = cfg_path.partition('::')
            if not colons or '/' not in path or '::' in path:
                raise
        # Only the folder's name is not to its liking.
        return original(f'{library}::folder/config.py')[0], path

    return get_package_and_path


def apply() -> None:
    for module in _MODULES:
        after_import(module, _patch)


def status() -> Status:
    name = 'config folders with signs'
    if not installed('mmengine'):
        return Status(name, 'not needed', 'mmengine is not installed')
    from mmengine.config import config

    if not is_replaced(getattr(config, _FUNCTION), by=__name__):
        return Status(name, 'not needed', 'mmengine reads them')
    return Status(name, 'active', 'mmdet::gn+ws/ can be inherited')
