"""Libraries that are imported before this package.

Defect: ``from mmdet.apis import DetInferencer``, a library's own tools and
pure Python configs import their library first; what this package puts right
is then too late, or never done: ``No module named 'mmcv._ext'``.
Applies to: every environment.
Upstream: none; a package can only act when it is imported.
Gone when: never. Installing the package installs a start-up hook
(:mod:`mmuniformer.compat.startup_hook`), and uninstalling removes it.
"""

from __future__ import annotations

import sys

from mmuniformer.compat.status import Status

# The name of the copy that is installed; ``setup.py`` gives it.
MODULE = '_mmuniformer_startup'


def apply() -> None:
    """Nothing: this package has been imported."""


def status() -> Status:
    name = 'libraries imported first'
    if MODULE in sys.modules:
        return Status(name, 'active', 'a start-up hook imports this package')
    return Status(
        name,
        'missing',
        'there is no start-up hook: import mmuniformer before the libraries',
        'pip install --no-deps -e <the folder of mmuniformer>',
    )
