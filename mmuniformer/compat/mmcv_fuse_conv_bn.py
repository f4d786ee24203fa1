"""Folding of BatchNorm by mmcv, which takes neighbours for a sequence.

Defect: ``fuse_conv_bn`` (``--fuse-conv-bn`` of the libraries' benchmarks)
folds a BatchNorm into the convolution that was registered before it, whatever
layer runs before it. In a UniFormer block that is another convolution: no
error, and outputs that are off by more than their size.
Applies to: mmcv 2.2.0 and earlier.
Upstream: https://github.com/open-mmlab/mmcv/pull/382 (where it comes from)
Gone when: never for us, as a module that folds itself (it has the usual
``switch_to_deploy``) folds more than BatchNorm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

MODULE = 'mmcv.cnn.utils.fuse_conv_bn'
FUNCTION = 'fuse_conv_bn'
# Where mmcv has bound the function besides, if it was imported before us.
PACKAGES = ('mmcv.cnn.utils', 'mmcv.cnn')


def _asking(original: Callable) -> Callable:
    def fuse_conv_bn(module: Any) -> Any:
        if hasattr(module, 'switch_to_deploy'):
            module.switch_to_deploy()
            return module
        return original(module)

    return fuse_conv_bn


def _patch(module: ModuleType) -> None:
    # The original calls itself for the parts of a module by this name.
    original = module.fuse_conv_bn
    if not replace_once(module, FUNCTION, _asking, by=__name__):
        return
    for name in PACKAGES:
        package = sys.modules.get(name)
        if getattr(package, FUNCTION, None) is original:
            setattr(package, FUNCTION, module.fuse_conv_bn)


def apply() -> None:
    after_import(MODULE, _patch)


def status() -> Status:
    name = "mmcv's folding of BatchNorm"
    if not installed('mmcv'):
        return Status(name, 'missing', 'mmcv is not installed')
    from mmcv.cnn import fuse_conv_bn

    if is_replaced(fuse_conv_bn, by=__name__):
        return Status(name, 'active', 'asks modules that fold themselves')
    return Status(name, 'broken', 'corrupts UniFormer: do not call it')
