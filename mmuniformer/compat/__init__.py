"""Workarounds for OpenMMLab's libraries on a current PyTorch.

One module per upstream defect, each with ``apply()`` and ``status()``. A
workaround looks for the defect, not for a version, does nothing where the
defect is gone, and imports no other part of this package.
"""

from types import ModuleType

from mmuniformer.compat import (
    hue_numpy,
    mmaction_decord,
    mmaction_drn,
    mmaction_opencv,
    mmaction_recognizer2d,
    mmcv_ext,
    mmcv_fuse_conv_bn,
    mmcv_unreadable_images,
    mmcv_version,
    mmdet_cascade_rpn,
    mmdet_class_order,
    mmdet_loss_cls,
    mmdet_paa_mixture,
    mmdet_paste_mask,
    mmengine_checkpoint,
    mmengine_config_names,
    mmengine_conv_bn_eval,
    mmengine_flops,
    mmengine_package_names,
    mmengine_subset,
    mmpose_bfloat16,
    mmpose_chumpy,
    mmpose_circles,
    mmpose_keypoint_order,
    mmpretrain_class_order,
    mmpretrain_layer_decay,
    mmseg_class_weight,
    multimodal_transformers,
    setuptools_pkg_resources,
    startup,
    torchvision_pair,
    xtcocotools_numpy,
)
from mmuniformer.compat.status import Status

__all__ = ['WORKAROUNDS', 'Status', 'apply', 'status']

WORKAROUNDS = (
    mmcv_ext,
    mmcv_version,
    mmcv_fuse_conv_bn,
    mmcv_unreadable_images,
    mmengine_checkpoint,
    mmengine_config_names,
    mmengine_conv_bn_eval,
    mmengine_flops,
    mmengine_package_names,
    mmengine_subset,
    mmdet_cascade_rpn,
    mmdet_class_order,
    mmdet_loss_cls,
    mmdet_paa_mixture,
    mmdet_paste_mask,
    mmpretrain_class_order,
    mmpretrain_layer_decay,
    mmseg_class_weight,
    mmaction_drn,
    hue_numpy,
    mmaction_decord,
    mmaction_opencv,
    mmaction_recognizer2d,
    torchvision_pair,
    xtcocotools_numpy,
    mmpose_bfloat16,
    mmpose_chumpy,
    mmpose_circles,
    mmpose_keypoint_order,
    multimodal_transformers,
    setuptools_pkg_resources,
    startup,
)


def apply() -> None:
    """Puts the workarounds in place that this environment needs.

    Imports no other package: a workaround waits until its library is
    imported. May be called more than once; a package that is not installed
    is no error.
    """
    for workaround in WORKAROUNDS:
        workaround.apply()


def status() -> list[Status]:
    """State of every workaround. Imports the packages reported on.

    Returns:
        list[Status]: One for each of ``WORKAROUNDS``, in that order.
    """
    return [_status(workaround) for workaround in WORKAROUNDS]


def _status(workaround: ModuleType) -> Status:
    try:
        return workaround.status()
    # A package may be broken in any way: a library of CUDA that does not load
    # is an OSError.
    except Exception as error:
        name = workaround.__name__.rpartition('.')[2]
        message = (str(error).strip() or repr(error)).splitlines()[0]
        return Status(name, 'broken', message)
