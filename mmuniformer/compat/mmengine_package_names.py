"""``mmseg::`` in a config, where mmseg comes from another package.

Defect: mmengine finds the configs of a library by the name of the package that
pip installs, and knows one name for each. Where mmseg is installed by a fork
of another name, or is a checkout on the path, ``_base_ = 'mmseg::...'`` ends
in ``mmsegmentation is not installed``.
Applies to: mmengine 0.10.7 and onedl-mmengine 0.10.12, with
onedl-mmsegmentation 1.4.2.
Upstream: https://github.com/VBTI-development/onedl-mmengine
Gone when: the package that mmengine looks for is installed. Otherwise it is
told the module's own name, by which it finds any module.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import distribution, installed

_told: set[str] = set()


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _patch(utils: ModuleType) -> None:
    names = utils.MODULE2PACKAGE
    for module, package in names.items():
        # By a name that both share mmengine finds either.
        if module == package or _is_installed(package):
            continue
        if find_spec(module) is not None:
            names[module] = module
            _told.add(module)


def apply() -> None:
    after_import('mmengine.config.utils', _patch)


def status() -> Status:
    name = 'configs of renamed packages'
    if not installed('mmengine'):
        return Status(name, 'not needed', 'mmengine is not installed')
    import mmengine.config.utils  # noqa: F401

    if not _told:
        return Status(name, 'not needed', 'mmengine knows their packages')
    found = ', '.join(
        f'{module} of {distribution(module) or "a path"}'
        for module in sorted(_told)
    )
    return Status(name, 'active', f'{found} is found by its module')
