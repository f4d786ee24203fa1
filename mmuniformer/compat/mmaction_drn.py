"""A stand-in for the part that mmaction2's wheel lacks.

Defect: the wheel of mmaction2 1.2.0 was built without the folder
``mmaction/models/localizers/drn`` (it has no ``__init__.py``), which
``mmaction.models.localizers`` imports: ``import mmaction.models`` dies with
``No module named 'mmaction.models.localizers.drn'``.
Applies to: mmaction2 1.2.0 from the package index.
Upstream: https://github.com/open-mmlab/mmaction2/issues/2714
Gone when: the import system finds the folder; our finder is asked last.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from mmuniformer.compat.import_hooks import ask_last
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

PACKAGE = 'mmaction.models.localizers.drn'
MODULE = f'{PACKAGE}.drn'


class DRNFinder:
    """Finds the missing package and module, and loads what is below."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None) -> ModuleSpec | None:
        if fullname not in (PACKAGE, MODULE):
            return None
        return spec_from_loader(fullname, cls, is_package=fullname == PACKAGE)

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        if module.__name__ == MODULE:
            module.DRN = _drn()


def _drn() -> type:
    from mmaction.registry import MODELS

    @MODELS.register_module()
    class DRN:
        """Dense Regression Network, which this mmaction2 does not contain."""

        def __init__(self, *args, **kwargs) -> None:
            raise NotImplementedError(
                'the installed mmaction2 was packaged without '
                'mmaction/models/localizers/drn, so DRN cannot be built: '
                'install mmaction2 from its source repository.'
            )

    return DRN


def apply() -> None:
    ask_last(DRNFinder)


def status() -> Status:
    name = "mmaction2's missing DRN"
    if not installed('mmaction'):
        return Status(
            name,
            'missing',
            'mmaction2 is not installed',
            'pip install --no-deps mmaction2',
        )
    folder = Path(find_spec('mmaction').origin).with_name('models')
    if (folder / 'localizers' / 'drn' / 'drn.py').is_file():
        return Status(name, 'not needed', 'this mmaction2 is complete')
    return Status(name, 'active', 'a stand-in that raises when built')
