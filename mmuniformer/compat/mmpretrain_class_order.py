"""The order of ``classes`` where mmpretrain reads folders of images.

Defect: a CustomDataset without an annotation file counts labels by the sorted
names of the folders, and shows them as ``classes``: those in another order
swap the names of all images.
Applies to: mmpretrain 1.0 to 1.2.0.
Upstream: https://github.com/open-mmlab/mmpretrain (no issue found)
Gone when: labels follow ``classes``; the labels are then what they were.

``classes`` that are no names of the folders, like those of ImageNet, are names
of the sorted folders, as before.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmpretrain.datasets.custom'


def _in_order_of_classes(find_samples: Callable) -> Callable:
    def find(self: Any) -> list:
        samples = find_samples(self)
        classes = self.CLASSES
        if not self.with_label or not classes:
            return samples
        of_folders = {i: name for name, i in self.folder_to_idx.items()}
        if sorted(classes) != sorted(of_folders.values()):
            return samples
        self.folder_to_idx = {name: i for i, name in enumerate(classes)}
        return [
            (path, self.folder_to_idx[of_folders[label]])
            for path, label in samples
        ]

    return find


def _patch(module: ModuleType) -> None:
    data_set = module.CustomDataset
    replace_once(data_set, '_find_samples', _in_order_of_classes, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = "mmpretrain's order of classes"
    if not installed('mmpretrain'):
        return Status(name, 'not needed', 'mmpretrain is not installed')
    from mmpretrain.datasets import CustomDataset

    if is_replaced(CustomDataset._find_samples, by=__name__):
        return Status(name, 'active', 'labels of folders follow `classes`')
    return Status(name, 'broken', 'labels follow the sorted folders')
