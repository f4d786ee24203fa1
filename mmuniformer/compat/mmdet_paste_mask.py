"""mmdet's instance masks on CPU where all boxes lie outside the image.

Defect: ``_do_paste_mask`` pastes masks into what the boxes of an image span,
and counts backwards where that is empty: ``upper bound and lower bound
inconsistent with step sign``. Heads that do not clip their boxes (QueryInst,
Sparse R-CNN's kind) give such boxes early in training.
Applies to: mmdet 3.3.0, on CPU.
Upstream: https://github.com/open-mmlab/mmdetection (no issue found)
Gone when: an empty region is pasted. All other regions are left to mmdet.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed

_MODULE = 'mmdet.models.roi_heads.mask_heads.fcn_mask_head'
_FUNCTION = '_do_paste_mask'


def _is_defect(paste: Callable) -> bool:
    import torch

    masks, boxes = torch.ones(1, 1, 2, 2), torch.tensor([[9.0, 0, 12, 3]])
    try:
        paste(masks, boxes, 4, 4, skip_empty=True)
    except RuntimeError:
        return True
    return False


def _nothing_outside(paste: Callable) -> Callable:
    def _do_paste_mask(masks, boxes, img_h, img_w, skip_empty=True):
        if skip_empty and len(boxes):
            # The pixel that mmdet adds on each side.
            left, top = (boxes[:, :2].amin(0).floor() - 1).tolist()
            right, bottom = (boxes[:, 2:].amax(0).ceil() + 1).tolist()
            if left >= img_w or top >= img_h or right <= 0 or bottom <= 0:
                empty = slice(0, 0)
                return masks.new_zeros(len(masks), 0, 0), (empty, empty)
        return paste(masks, boxes, img_h, img_w, skip_empty)

    return _do_paste_mask


def _patch(module: ModuleType) -> None:
    if _is_defect(getattr(module, _FUNCTION)):
        replace_once(module, _FUNCTION, _nothing_outside, by=__name__)


def apply() -> None:
    after_import(_MODULE, _patch)


def status() -> Status:
    name = 'mmdet pastes masks'
    if not installed('mmdet'):
        return Status(name, 'not needed', 'mmdet is not installed')
    from mmdet.models.roi_heads.mask_heads import fcn_mask_head

    if is_replaced(getattr(fcn_mask_head, _FUNCTION), by=__name__):
        return Status(name, 'active', 'nothing where boxes are outside')
    return Status(name, 'not needed', 'boxes may be outside')
