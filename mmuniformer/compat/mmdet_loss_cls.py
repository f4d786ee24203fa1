"""mmdet's prediction with heads that have no loss of classes as a module.

Defect: ``BaseDenseHead`` asks ``self.loss_cls`` how it turns logits into
scores, and ``SSDHead``, which computes its loss itself, has none: SSD trains,
and its first validation ends with ``'SSDHead' object has no attribute
'loss_cls'``.
Applies to: mmdet 3.3.0.
Upstream: https://github.com/open-mmlab/mmdetection (no issue found)
Gone when: the head has a ``loss_cls``, or is not asked. A head that has one is
left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmdet.models.dense_heads.base_dense_head'
_METHOD = '_predict_by_feat_single'


def _is_defect(module: ModuleType) -> bool:
    predict = getattr(module.BaseDenseHead, _METHOD)
    return 'loss_cls' in predict.__code__.co_names


def _without_loss(predict: Callable) -> Callable:
    def _predict_by_feat_single(self, *args, **kwargs):
        if not hasattr(self, 'loss_cls'):
            self.loss_cls = None
        return predict(self, *args, **kwargs)

    return _predict_by_feat_single


def _patch(module: ModuleType) -> None:
    if _is_defect(module):
        replace_once(module.BaseDenseHead, _METHOD, _without_loss, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmdet predicts with SSD'
    if not installed('mmdet'):
        return Status(name, 'not needed', 'mmdet is not installed')
    from mmdet.models.dense_heads.base_dense_head import BaseDenseHead

    if is_replaced(getattr(BaseDenseHead, _METHOD), by=__name__):
        return Status(name, 'active', 'a head without loss_cls gives softmax')
    return Status(name, 'not needed', 'heads need no loss_cls to predict')
