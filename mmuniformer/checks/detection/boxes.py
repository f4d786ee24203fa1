"""Boxes and areas of COCO annotations."""

from collections.abc import Iterator

import numpy as np

from mmuniformer.checks.detection.table import (
    Table,
    entry_finding,
    image_name,
    is_row,
    short,
)
from mmuniformer.checks.finding import Finding

# A box may leave its image by that many pixels: people count from 0 or 1.
ROUNDING = 2
# Of the boxes, those that leave the image if corners are read as sizes.
SHARE_OUTSIDE = 0.2
FORM = 'bbox is [x, y, width, height] in pixels'


def check_boxes(table: Table) -> Iterator[Finding]:
    """Looks at boxes and areas, and at the sizes of images beside them."""
    yield from _check_sizes(table)
    yield from _check_form(table)
    yield from _check_areas(table)
    yield from _check_crowds(table)
    yield from _check_places(table)


def _check_sizes(table: Table) -> Iterator[Finding]:
    with np.errstate(invalid='ignore'):
        wrong = np.flatnonzero(~(table.sizes > 0).all(1))
    names = []
    for index in wrong[:4]:
        image = table.images[index]
        size = short([image.get('width'), image.get('height')])
        names.append(f'{image_name(image, index)} ({size})')
    if names:
        yield entry_finding(
            table.path,
            'width and height are no positive numbers in',
            names,
            len(wrong),
            f'{len(table.images)} images',
            'write its width and height in pixels',
            'error',
            names[0],
        )


def _check_form(table: Table) -> Iterator[Finding]:
    unsure = np.flatnonzero(table.read & np.isnan(table.boxes).any(1))
    entries = table.annotations
    missing = [i for i in unsure if 'bbox' not in entries[i]]
    if missing:
        yield table.finding('no bbox in', missing, FORM)
    wrong = [
        i
        for i in unsure
        if 'bbox' in entries[i] and not is_row(entries[i]['bbox'], 4)
    ]
    if wrong:
        yield table.finding(
            'bbox is not a list of 4 numbers in',
            wrong,
            FORM,
            shown=lambda i: entries[i]['bbox'],
        )
    strange = ~np.isfinite(table.boxes).all(1) & table.read
    strange[missing + wrong] = False
    if strange.any():
        yield table.finding(
            'bbox has NaN or infinite numbers in',
            np.flatnonzero(strange),
            FORM,
            shown=lambda i: entries[i]['bbox'],
        )


def _check_areas(table: Table) -> Iterator[Finding]:
    unsure = np.flatnonzero(table.read & np.isnan(table.areas))
    if not table.reading.evaluated:
        # mmdet reads it of boxes that touch their image.
        unsure = [i for i in unsure if (table.inside[i] > 0).all()]
    entries = table.annotations
    missing = [i for i in unsure if 'area' not in entries[i]]
    if missing:
        yield table.finding(
            'no area in',
            missing,
            'it is the number of pixels of the object: width times height of '
            'the box if there is no mask',
        )
    # NaN is no number either: it counts as small, medium and large.
    wrong = [i for i in unsure if 'area' in entries[i]]
    if wrong:
        yield table.finding(
            'area is no number in',
            wrong,
            'it is the number of pixels of the object',
            shown=lambda i: entries[i]['area'],
        )
    nothing = table.wanted & (table.areas <= 0)
    nothing &= (table.boxes[:, 2:] >= 1).all(1)
    if nothing.any():
        yield table.finding(
            'area is not positive in',
            np.flatnonzero(nothing),
            'they are left out: it is the number of pixels of the object',
            'warning',
            shown=lambda i: entries[i]['area'],
        )


def _check_crowds(table: Table) -> Iterator[Finding]:
    values = table.column('iscrowd', 0)
    read = table.wanted
    entries = table.annotations
    text = [
        i
        for i in np.flatnonzero(read & table.crowds)
        if isinstance(values[i], str)
    ]
    if text:
        yield table.finding(
            "iscrowd is text, and '0' would count as a crowd, in",
            text,
            'write 0 or 1 without quotes',
        )
    if table.reading.evaluated:
        missing = [
            i
            for i in np.flatnonzero(read)
            if entries[i].get('iscrowd') is None
        ]
        if missing:
            yield table.finding(
                'no iscrowd, which the evaluation reads, in',
                missing,
                'add "iscrowd": 0 to each annotation of a single object',
            )


def _check_places(table: Table) -> Iterator[Finding]:
    """Looks at numbers that no box of its image can have."""
    boxes, sizes = table.boxes, table.sizes_of_images
    usable = table.wanted & np.isfinite(boxes).all(1)
    usable &= (sizes > 0).all(1)
    if not usable.any():
        return
    rest = np.flatnonzero(usable)
    boxes, sizes = boxes[rest], sizes[rest]
    if boxes.min() >= 0 and boxes.max() <= 1.001:
        mend = 'multiply them by width and height'
        if (boxes[:, :2] + boxes[:, 2:]).max() > 1.001:
            # As YOLO's files have them.
            mend += ', and take half the size off x and y if these are centres'
        yield table.finding(
            'bbox is in fractions of the image, not in pixels, in',
            rest,
            mend,
            shown=lambda i: table.annotations[i]['bbox'],
        )
        return
    negative = (boxes[:, 2:] < 0).any(1)
    empty = (boxes[:, 2:] < 1).any(1) & ~negative
    lost = ~negative & ~empty & (table.inside[rest] == 0).any(1)
    over = np.maximum(-boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - sizes)
    over = (over > ROUNDING).any(1) & ~negative & ~empty & ~lost
    corners = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, 2:] <= sizes + 1)
    corners = corners.all(1) & (boxes[:, :2] >= -ROUNDING).all(1)
    outside = over | lost
    if outside.mean() >= SHARE_OUTSIDE and corners.mean() >= 0.98:
        yield table.finding(
            'bbox seems to be x1, y1, x2, y2: read as width and height, its '
            'last two numbers leave the image, in',
            rest[outside],
            f'{FORM}: subtract x1 and y1 from the last two',
            shown=lambda i: table.annotations[i]['bbox'],
        )
        return
    kinds = (
        (negative, 'width or height of bbox is negative in', 'left out'),
        (empty, 'bbox is less than a pixel wide or high in', 'left out'),
        (lost, 'bbox is outside the image in', 'left out'),
        (over, 'bbox reaches out of the image in', 'trained as they are'),
    )
    for which, what, effect in kinds:
        if which.any():
            mend = f'these are {effect}; {FORM}'
            if (corners | ~which).all() and which is not empty:
                mend += ', and these may be x1, y1, x2, y2'
            yield table.finding(
                what,
                rest[which],
                mend,
                'warning',
                shown=lambda i: table.annotations[i]['bbox'],
            )
