"""Workarounds for OpenMMLab's libraries on a current PyTorch.

One module per upstream defect, each with ``apply()`` and ``status()``. They
look for the defect, not for a version, do nothing where it is gone, and
import no other part of this package.
"""

from types import ModuleType

from mmuniformer.compat import (
    mmaction_decord,
    mmaction_drn,
    mmaction_opencv,
    mmcv_ext,
    mmcv_fuse_conv_bn,
    mmcv_version,
    mmengine_checkpoint,
    mmengine_flops,
    mmpose_chumpy,
    mmpose_circles,
    setuptools_pkg_resources,
    torchvision_pair,
    xtcocotools_numpy,
)
from mmuniformer.compat.status import Status

__all__ = ['Status', 'apply', 'status']

_WORKAROUNDS = (
    mmcv_ext,
    mmcv_fuse_conv_bn,
    mmcv_version,
    mmcv_fuse_conv_bn,
    mmengine_checkpoint,
    mmengine_flops,
    mmaction_drn,
    mmaction_decord,
    mmaction_opencv,
    torchvision_pair,
    xtcocotools_numpy,
    mmpose_chumpy,
    mmpose_circles,
    setuptools_pkg_resources,
)


def apply() -> None:
    """Puts the workarounds in place that this environment needs.

    Imports no other package: a workaround waits until the library it is for
    is imported. May be called more than once; a package that is not installed
    is no error.
    """
    for workaround in _WORKAROUNDS:
        workaround.apply()


def status() -> list[Status]:
    """State of every workaround. Imports the packages it reports on."""
    return [_status(workaround) for workaround in _WORKAROUNDS]


def _status(workaround: ModuleType) -> Status:
    try:
        return workaround.status()
    # What is reported on may be broken in any way: a library of CUDA that
    # does not load is an OSError.
    except Exception as error:
        name = workaround.__name__.rpartition('.')[2]
        message = (str(error).strip() or repr(error)).splitlines()[0]
        return Status(name, 'broken', message)
