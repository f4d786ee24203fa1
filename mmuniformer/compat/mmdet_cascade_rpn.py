"""mmdet's config of Cascade RPN alone.

Defect: ``cascade_rpn/cascade-rpn_r50-caffe_fpn_1x_coco.py`` builds
``CascadeRPNHead`` without ``num_classes``, for which it has no default and
takes no other number than 1, and its stages with ``sampling``, which mmdet 3
reads from ``train_cfg``.
Applies to: mmdet 3.3.0.
Upstream: https://github.com/open-mmlab/mmdetection (no issue found)
Gone when: the head has a default. A number that a config names is passed on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmdet.models.dense_heads.cascade_rpn_head'


def _is_defect(module: ModuleType) -> bool:
    known = inspect.signature(module.CascadeRPNHead.__init__).parameters
    return known['num_classes'].default is inspect.Parameter.empty


def _with_default(init: Callable) -> Callable:
    def __init__(self, *args, **kwargs):
        if not args:
            kwargs.setdefault('num_classes', 1)
        init(self, *args, **kwargs)

    return __init__


def _without_sampling(init: Callable) -> Callable:
    def __init__(self, *args, **kwargs):
        # A stage has a sampler where its train_cfg names one.
        kwargs.pop('sampling', None)
        init(self, *args, **kwargs)

    return __init__


def _patch(module: ModuleType) -> None:
    if not _is_defect(module):
        return
    for head, make in (
        (module.CascadeRPNHead, _with_default),
        (module.StageCascadeRPNHead, _without_sampling),
    ):
        replace_once(head, '__init__', make, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmdet builds Cascade RPN'
    if not installed('mmdet'):
        return Status(name, 'not needed', 'mmdet is not installed')
    from mmdet.models.dense_heads import CascadeRPNHead

    if is_replaced(CascadeRPNHead.__init__, by=__name__):
        return Status(name, 'active', 'num_classes=1 by default')
    return Status(name, 'not needed', 'num_classes has a default')
