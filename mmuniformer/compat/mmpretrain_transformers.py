"""mmpretrain beside transformers 5.

Defect: where transformers is installed mmpretrain imports its multimodal
models, which need functions that transformers 5 no longer has: ``import
mmpretrain.models``, and with it mmdet's and mmaction2's, ends in ``NoneType
takes no arguments`` or ``cannot import name``.
Applies to: mmpretrain 1.2.0 with transformers 5.
Upstream: https://github.com/open-mmlab/mmpretrain (no issue found)
Gone when: transformers has the functions. Without them the multimodal models
are left out, as they are where transformers is not installed.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmpretrain.utils.dependency'
# What mmpretrain's BERT imports from this module.
_FUNCTION = 'apply_chunking_to_forward'
REMEDY = 'pip install "transformers<5"'


@cache
def _is_defect() -> bool:
    """Looks at the text: importing transformers takes seconds."""
    spec = find_spec('transformers')
    if spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).with_name('modeling_utils.py')
    return source.is_file() and _FUNCTION not in source.read_text('utf-8')


def _patch(module: ModuleType) -> None:
    if _is_defect():
        module.WITH_MULTIMODAL = False


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmpretrain and transformers'
    for package in ('mmpretrain', 'transformers'):
        if not installed(package):
            return Status(name, 'not needed', f'{package} is not installed')
    version = installed('transformers')
    if _is_defect():
        return Status(
            name,
            'active',
            f'transformers {version}: no multimodal models of mmpretrain, '
            f'which {REMEDY} brings back',
        )
    return Status(name, 'not needed', f'mmpretrain can use {version}')
