"""xtcocotools built for numpy 1.

Defect: the wheel's compiled part was built for numpy 1; under numpy 2 every
``import mmpose.datasets`` ends in ``numpy.dtype size changed``.
Applies to: the wheels of xtcocotools 1.14.3 with numpy 2.
Upstream: https://github.com/jin-s13/xtcocoapi/issues/45
Gone when: the compiled part loads. No patch is possible: the error gives the
command that builds it here (7 s).
"""

from __future__ import annotations

from types import ModuleType

from mmuniformer.compat.import_hooks import ExecModule, around_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

REMEDY = (
    'pip install cython && pip install --force-reinstall --no-deps '
    '--no-build-isolation --no-binary xtcocotools xtcocotools'
)
_SYMPTOMS = ('size changed', 'compiled using NumPy 1', 'multiarray failed')


def _message() -> str:
    return (
        f'xtcocotools {installed("xtcocotools")} was built for numpy 1, '
        f'installed is numpy {installed("numpy")}'
    )


def _is_defect(error: Exception) -> bool:
    return any(symptom in str(error) for symptom in _SYMPTOMS)


def _import_mask(exec_module: ExecModule, module: ModuleType) -> None:
    try:
        exec_module(module)
    except (ValueError, ImportError) as error:
        if not _is_defect(error):
            raise
        raise ValueError(f'{_message()}: {REMEDY}') from error


def apply() -> None:
    around_import('xtcocotools.mask', _import_mask)


def status() -> Status:
    name = 'xtcocotools and numpy'
    if not installed('xtcocotools'):
        return Status(
            name,
            'missing',
            'xtcocotools is not installed (needed by mmpose)',
            REMEDY,
        )
    try:
        import xtcocotools.mask  # noqa: F401
    except (ValueError, ImportError):
        return Status(name, 'broken', _message(), REMEDY)
    return Status(name, 'not needed', 'it was built for this numpy')
