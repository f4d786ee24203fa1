"""Masks of COCO annotations: polygons and run lengths (RLE)."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np

from mmuniformer.checks.detection.table import Table, is_number
from mmuniformer.checks.finding import Finding

POLYGON = 'a polygon is [x1, y1, x2, y2, x3, y3, ...] in pixels'
BOXES_ALONE = (
    'for boxes alone set with_mask=False in LoadAnnotations of the pipelines, '
    "model.roi_head.mask_head=None and metric='bbox' in the evaluators"
)
# What may be wrong with a mask: a message, what to do about it, the level.
KINDS = {
    'missing': ('no segmentation in', BOXES_ALONE, 'error'),
    'flat': (
        'segmentation is one list of numbers, and not a list of polygons, in',
        'put it into a list: [[x1, y1, ...]]',
        'error',
    ),
    'form': (
        'segmentation is neither a list of polygons nor RLE in',
        'RLE is a dict of counts and size [height, width]',
        'error',
    ),
    'numbers': ('a polygon has what is no number in', POLYGON, 'error'),
    'first': (
        'the first polygon has fewer than 6 numbers, which the evaluation '
        'cannot read, in',
        POLYGON,
        'error',
    ),
    'none': (
        'no polygon has 6 numbers or more, of an even number, in',
        f'they are ignored in training; {POLYGON}',
        'warning',
    ),
    'some': (
        'a polygon has fewer than 6 numbers or an odd number of them in',
        f'it is left out; {POLYGON}',
        'warning',
    ),
    'size': (
        'the size of RLE is not [height, width] of the image in',
        'make the mask at the size of the image',
        'error',
    ),
    'counts': (
        'the counts of RLE do not add up to height times width in',
        'the mask is damaged: encode it again with pycocotools',
        'error',
    ),
    'damaged': (
        'RLE cannot be decoded in',
        'the mask is damaged: encode it again with pycocotools',
        'error',
    ),
    'run lengths': (
        'a mask of RLE is ignored, as the pipeline takes polygons alone, in',
        'set poly2mask=True in LoadAnnotations',
        'warning',
    ),
}


def check_masks(table: Table, decode: bool) -> Iterator[Finding]:
    """Looks at masks, where the pipeline or the evaluation reads them.

    Args:
        table (Table): The annotations.
        decode (bool): Whether to decode each mask of compressed RLE.
    """
    reading = table.reading
    evaluated = 'segm' in reading.evaluated
    which = np.zeros(len(table.annotations), dtype=bool)
    if reading.masks != 'none' and not reading.own:
        which |= table.kept
    if evaluated:
        which |= table.wanted
    if not which.any():
        return
    found: dict[str, list[int]] = {}
    column = table.column('segmentation')
    sizes = table.sizes_of_images
    for index in np.flatnonzero(which):
        kind = _fault(column[index], sizes[index], evaluated, decode)
        if not kind and reading.masks == 'polygons':
            rle = isinstance(column[index], dict)
            kind = 'run lengths' if rle and not table.crowds[index] else ''
        if kind:
            found.setdefault(kind, []).append(index)
    for kind, (what, mend, level) in KINDS.items():
        if kind in found:
            shown = None
            if kind != 'missing':
                shown = lambda i: _shown(column[i])  # noqa: E731
            yield table.finding(what, found[kind], mend, level, shown)


def _shown(mask: Any) -> Any:
    if isinstance(mask, dict) and 'size' in mask:
        return {'size': mask['size']}
    return mask


def _fault(mask: Any, size: np.ndarray, evaluated: bool, decode: bool) -> str:
    """Which of :data:`KINDS` is wrong with a mask; '' if nothing is."""
    if not mask:
        return 'missing'
    if isinstance(mask, list):
        return _fault_of_polygons(mask, evaluated)
    if isinstance(mask, dict):
        return _fault_of_rle(mask, size, decode)
    return 'form'


def _fault_of_polygons(polygons: list, evaluated: bool) -> str:
    good = 0
    for polygon in polygons:
        if not isinstance(polygon, list):
            return 'flat' if is_number(polygon) else 'form'
        try:
            # Quicker than to ask each number.
            if not isfinite(sum(polygon)):
                return 'numbers'
        except (TypeError, OverflowError):
            return 'numbers'
        number = len(polygon)
        good += number >= 6 and number % 2 == 0
    if evaluated and len(polygons[0]) < 5:
        # pycocotools takes the first for all: four numbers are a box to it.
        return 'first'
    if not good:
        return 'none'
    return '' if good == len(polygons) else 'some'


def _fault_of_rle(mask: dict, size: np.ndarray, decode: bool) -> str:
    counts, shape = mask.get('counts'), mask.get('size')
    if not isinstance(counts, (list, str)) or not isinstance(shape, list):
        return 'form'
    width, height = size
    if shape != [height, width]:
        return 'size'
    if isinstance(counts, list):
        try:
            whole = sum(counts) == height * width and min(counts) >= 0
        except TypeError:
            whole = False
        return '' if whole else 'counts'
    if not decode:
        return ''
    lengths = _run_lengths(counts)
    whole = lengths is not None and min(lengths, default=-1) >= 0
    return '' if whole and sum(lengths) == height * width else 'damaged'


def _run_lengths(text: str) -> list[int] | None:
    """Lengths that a compressed text of pycocotools has; None if cut off.

    pycocotools reads behind the end of a text that is cut within a number.
    """
    lengths: list[int] = []
    value = shift = 0
    for char in text:
        bits = ord(char) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        # From the fourth on, what changes since the one before the last.
        if len(lengths) > 2:
            value += lengths[-2]
        lengths.append(value)
        value = shift = 0
    return None if shift else lengths
