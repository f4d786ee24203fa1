"""mmpretrain and mmaction2 beside transformers 5.

Defect: where transformers is installed they import their multimodal models,
which need functions that transformers 5 has moved or dropped: ``import
mmpretrain.models``, and with it mmdet's and mmaction2's, ends in ``NoneType
takes no arguments`` or ``cannot import name``. Those of mmaction2 also need
timm, which nothing asks for.
Applies to: mmpretrain 1.2.0 and mmaction2 1.2.0 with transformers 5.
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

_LIBRARIES = ('mmpretrain', 'mmaction')
# What the BERT of either imports from this module.
_FUNCTION = 'apply_chunking_to_forward'
REMEDY = 'pip install "transformers<5"'


@cache
def _is_too_new() -> bool:
    """Looks at the text: importing transformers takes seconds."""
    spec = find_spec('transformers')
    if spec is None or spec.origin is None:
        return False
    file = Path(spec.origin).with_name('modeling_utils.py')
    if not file.is_file():
        return False
    text = file.read_text('utf-8')
    return _FUNCTION not in text


def _leave_out(dependency: ModuleType) -> None:
    needs_timm = dependency.__name__.startswith('mmaction')
    if _is_too_new() or (needs_timm and find_spec('timm') is None):
        dependency.WITH_MULTIMODAL = False


def apply() -> None:
    for library in _LIBRARIES:
        after_import(f'{library}.utils.dependency', _leave_out)


def status() -> Status:
    name = 'multimodal models'
    version = installed('transformers')
    if not version:
        return Status(name, 'not needed', 'transformers is not installed')
    if not any(map(installed, _LIBRARIES)):
        return Status(name, 'not needed', 'there is no library with any')
    if _is_too_new():
        return Status(
            name,
            'active',
            f'left out beside transformers {version}; {REMEDY} brings them '
            'back',
        )
    if installed('mmaction') and find_spec('timm') is None:
        return Status(
            name, 'active', "mmaction2's are left out: they need timm"
        )
    return Status(name, 'not needed', f'they can use transformers {version}')
