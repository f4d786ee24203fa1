"""Subsets of a data set that are copied from what another one left behind.

Defect: ``BaseDataset.get_subset`` copies all but the annotations, with one
table of copies for all calls of the process, by addresses of objects. A data
set that is gone stays in it, and whatever lies at its address next, a
transform say, is "copied" as that data set: ``'CustomDataset' object is not
callable``, or another's settings without a word. mmpretrain's
``KFoldDataset`` meets it, and subsets that are made one after another.
Applies to: mmengine 0.1 to 0.10.7.
Upstream: https://github.com/open-mmlab/mmengine (no issue found)
Gone when: the table is no default argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmengine.dataset.base_dataset'
_METHOD = '_copy_without_annotation'


def _with_own_memo(copy: Callable) -> Callable:
    def copy_with_own_memo(self: Any, memo: dict | None = None) -> Any:
        return copy(self, {} if memo is None else memo)

    return copy_with_own_memo


def _shares_memo(method: Callable) -> bool:
    parameter = inspect.signature(method).parameters.get('memo')
    return parameter is not None and isinstance(parameter.default, dict)


def _patch(module: ModuleType) -> None:
    if _shares_memo(getattr(module.BaseDataset, _METHOD)):
        replace_once(module.BaseDataset, _METHOD, _with_own_memo, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'subsets of data sets'
    if not installed('mmengine'):
        return Status(name, 'not needed', 'mmengine is not installed')
    from mmengine.dataset import BaseDataset

    method = getattr(BaseDataset, _METHOD)
    if is_replaced(method, by=__name__):
        return Status(name, 'active', 'each is copied by itself')
    if _shares_memo(method):
        return Status(name, 'broken', 'parts of another one may be in it')
    return Status(name, 'not needed', 'each is copied by itself')
