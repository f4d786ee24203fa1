"""What models of semantic segmentation predict."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmuniformer.reports.classes import (
    FIGURES,
    Items,
    calibration_picture,
    confused_most,
    confusion_picture,
)
from mmuniformer.reports.content import Pictures, Table
from mmuniformer.reports.pictures import (
    colours,
    read_image,
    worst_and_best,
)
from mmuniformer.reports.samples import COUNTS, Samples, calibration_error
from mmuniformer.visualization.semantic import paint


def segmentation_items(samples: Samples, number: int) -> Items:
    """Per class, confusion of pixels, calibration, pictures."""
    if not (samples.folder / COUNTS).is_file():
        note = 'Tables of classes need true maps, and these samples have none.'
        return [Table('Classes', [], [], note)]
    counts = samples.counts()
    rows, classes = counts['shape']
    totals = np.zeros(rows * classes, np.int64)
    np.add.at(totals, counts['cell'], counts['pixels'])
    totals = totals.reshape(rows, classes)
    names = samples.class_names(classes)
    bins = counts['bins']
    items: Items = [
        summary(totals, bins),
        _per_class(totals, names),
    ]
    figures = [confusion_picture(totals[:classes], names, 'pixels')]
    if bins[0].any():
        figures.append(calibration_picture(bins, 'share of pixels right'))
    items += [
        Pictures(FIGURES, figures),
        *confused_most(totals[:classes], names, 'pixels'),
    ]
    values = _of_each(counts, len(samples.entries))
    paths = [entry['path'] for entry in samples.entries]
    palette = np.array(
        colours(classes, samples.metainfo.get('palette')), np.uint8
    )

    def drawn(index: int) -> tuple | None:
        image = read_image(paths[index])
        if image is None:
            return None
        truth, found = (paint(m, palette) for m in samples.maps(index))
        shown = [('image', image), ('truth', truth), ('predicted', found)]
        return (
            [(title, partial(_show, image=each)) for title, each in shown],
            image.shape[:2],
        )

    items += worst_and_best(
        values,
        number,
        paths,
        drawn,
        lambda i: (
            f'{Path(paths[i]).name}: mean IoU {100 * values[i]:.1f} % of its '
            'classes'
        ),
        'the mean IoU of the classes in an image',
    )
    return items


def _show(axes, image: np.ndarray) -> None:
    axes.imshow(image)


def areas(matrix: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each class what is right, predicted and true.

    Args:
        matrix (np.ndarray): (C + 1, C), see ``count_pixels``.

    Returns:
        tuple[np.ndarray, ...]: Three of (C,).
    """
    number = matrix.shape[1]
    return np.diag(matrix), matrix.sum(0), matrix[:number].sum(1)


def summary(matrix: np.ndarray, bins: np.ndarray) -> Table:
    """Metrics over all classes, as mmseg means them."""
    with np.errstate(divide='ignore', invalid='ignore'):
        right, found, truth = areas(matrix)
        iou = right / (found + truth - right)
        row = [
            100 * float(right.sum() / truth.sum()),
            100 * _mean(iou),
            100 * _mean(right / truth),
        ]
    columns = ['pixels right (%)', 'mean IoU (%)', 'mean accuracy (%)']
    if bins[0].any():
        columns.append('calibration error (%)')
        row.append(100 * calibration_error(bins))
    return Table('All classes', columns, [row])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float('nan')


def _per_class(matrix: np.ndarray, names: list[str]) -> Table:
    right, found, truth = areas(matrix)
    all_pixels = max(int(truth.sum()), 1)
    rows = []
    for index in np.flatnonzero(found + truth):
        union = int(found[index] + truth[index] - right[index])
        hits, true = int(right[index]), int(truth[index])
        guessed = int(found[index])
        rows.append(
            [
                names[index],
                100 * hits / union,
                100 * hits / true if true else None,
                100 * hits / guessed if guessed else None,
                100 * true / all_pixels,
            ]
        )
    rows.sort(key=lambda row: row[1])
    columns = [
        'class',
        'IoU (%)',
        'accuracy (%)',
        'precision (%)',
        'of all pixels (%)',
    ]
    return Table('Classes, the worst first', columns, rows)


def _of_each(counts: dict[str, np.ndarray], number: int) -> list[float]:
    """The mean IoU of each sample, over classes that are true or found."""
    starts = np.searchsorted(counts['sample'], np.arange(number + 1))
    values = []
    for start, end in pairwise(starts):
        matrix = np.zeros(counts['shape'].prod(), np.int64)
        matrix[counts['cell'][start:end]] = counts['pixels'][start:end]
        right, found, truth = areas(matrix.reshape(counts['shape']))
        with np.errstate(divide='ignore', invalid='ignore'):
            values.append(_mean(right / (found + truth - right)))
    return values
