"""What classifiers of images and videos predict."""

from pathlib import Path

import numpy as np

from mmuniformer.reports.content import Picture, Pictures, Table, Text
from mmuniformer.reports.figures import (
    Panel,
    drawable,
    matrix,
    precision_recall,
    reliability,
)
from mmuniformer.reports.pictures import (
    read_image,
    read_strip,
    worst_and_best,
)
from mmuniformer.reports.samples import (
    BINS,
    SCORES,
    Samples,
    calibration_error,
    count_bins,
)
from mmuniformer.visualization.actions import COLOURS, draw_frame

Items = list[Table | Pictures | Text]
# Beside the mean, curves that can still be told apart.
MOST_CURVES = 7
MOST_PAIRS = 20
FIGURES = 'Where it errs'


def class_items(samples: Samples, number: int) -> Items:
    """Per class, confusion, precision and recall, calibration, pictures."""
    entries = samples.entries
    known = [
        index
        for index, entry in enumerate(entries)
        if isinstance(entry['label'], int) and entry['label'] >= 0
    ]
    if not known or not (samples.folder / SCORES).is_file():
        note = (
            'Tables of classes need scores, and one true class of each '
            'sample: these have none, or several.'
        )
        return [Table('Classes', [], [], note)]
    entries = [entries[index] for index in known]
    scores = samples.scores()[known]
    labels = np.array([entry['label'] for entry in entries])
    names = samples.class_names(max(scores.shape[1], labels.max() + 1))
    found = scores.argmax(1)
    counts = confusion(labels, found, len(names))
    items: Items = [
        _summary(scores, labels, counts),
        per_class(scores, labels, counts, names),
    ]
    figures = [
        confusion_picture(counts, names, 'samples'),
        _curves(scores, labels, names),
    ]
    if _are_probabilities(scores):
        bins = _bins(scores, labels)
        figures.append(calibration_picture(bins, 'share that is right'))
    items += [
        Pictures(FIGURES, figures),
        *confused_most(counts, names, 'samples'),
    ]
    true_scores = scores[np.arange(len(labels)), labels]
    is_video = samples.result['library'] == 'mmaction'

    def drawn(index: int) -> tuple | None:
        read = read_strip if is_video else read_image
        image = read(entries[index]['path'])
        if image is None:
            return None
        panel = _panel(image, labels[index], found[index], scores, index)
        return [('', panel(names))], image.shape[:2]

    items += worst_and_best(
        true_scores,
        number,
        [entry['path'] for entry in entries],
        drawn,
        lambda i: (
            f'{Path(entries[i]["path"]).name}: {names[labels[i]]}, predicted '
            f'{names[found[i]]} ({scores[i, found[i]]:.3g})'
        ),
        'the score of the true class',
        'large' if is_video else 'small',
    )
    return items


def _panel(
    image: np.ndarray, label: int, found: int, scores: np.ndarray, index: int
):
    kind = 'right' if label == found else 'wrong'

    def with_names(names: list[str]) -> Panel:
        truth, guess = (
            drawable(names[i], f'class {i}') for i in (label, found)
        )
        lines = [
            (f'true: {truth}', (40, 40, 40)),
            (
                f'predicted: {guess} {scores[index, found]:.2f}',
                COLOURS[f'{kind} prediction'],
            ),
        ]
        return lambda axes: draw_frame(axes, image, lines)

    return with_names


def confusion(
    labels: np.ndarray, found: np.ndarray, number: int
) -> np.ndarray:
    """(N, N) counts by true and predicted class."""
    cells = labels * number + found
    return np.bincount(cells, minlength=number**2).reshape(number, number)


def in_top(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """(N,) whether the true class is among the k of highest score."""
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return (top == labels[:, None]).any(1)


def _summary(
    scores: np.ndarray, labels: np.ndarray, counts: np.ndarray
) -> Table:
    right, totals = np.diag(counts), counts.sum(1)
    shares = right[totals > 0] / totals[totals > 0]
    row = [len(labels), 100 * float(right.sum() / len(labels))]
    columns = ['samples', 'top-1 (%)']
    if scores.shape[1] > 5:
        columns.append('top-5 (%)')
        row.append(100 * float(in_top(scores, labels, 5).mean()))
    columns.append('mean of classes (%)')
    row.append(100 * float(shares.mean()))
    if _are_probabilities(scores):
        columns.append('calibration error (%)')
        row.append(100 * calibration_error(_bins(scores, labels)))
    note = 'The mean is that of the classes that there are samples of.'
    return Table('All classes', columns, [row], note)


def per_class(
    scores: np.ndarray,
    labels: np.ndarray,
    counts: np.ndarray,
    names: list[str],
) -> Table:
    """A row for each class that there are samples of, the worst first."""
    has_five = scores.shape[1] > 5
    five = in_top(scores, labels, 5) if has_five else None
    rows = []
    for index in np.flatnonzero(counts.sum(1)):
        total, guessed = int(counts[index].sum()), int(counts[:, index].sum())
        right = int(counts[index, index])
        others = counts[index].copy()
        others[index] = 0
        taken_for = names[others.argmax()] if others.any() else ''
        rows.append(
            [
                names[index],
                total,
                100 * right / total,
                *(
                    [100 * float(five[labels == index].mean())]
                    if has_five
                    else []
                ),
                100 * right / guessed if guessed else None,
                taken_for,
            ]
        )
    columns = [
        'class',
        'samples',
        'top-1 (%)',
        *(['top-5 (%)'] if has_five else []),
        'precision (%)',
        'mostly taken for',
    ]
    rows.sort(key=lambda row: row[2])
    return Table('Classes, the worst first', columns, rows)


def confusion_picture(
    counts: np.ndarray, names: list[str], of: str
) -> Picture:
    """The matrix of what is taken for what.

    Args:
        counts (np.ndarray): (N, N) by true and predicted class.
        names (list[str]): The N classes.
        of (str): What is counted.
    """
    png, shown = matrix(counts, names)
    caption = f'Confusion matrix in percent of the {of} of each true class'
    if shown < len(names):
        caption += (
            f', of the {shown} of {len(names)} classes that are confused most'
        )
    return Picture('confusion', caption, png, wide=shown > 12)


def confused_most(
    counts: np.ndarray, names: list[str], of: str, note: str = ''
) -> list[Table]:
    """The pairs of classes with most mistakes, see :func:`confusion_picture`.

    No table where there is no mistake.
    """
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind='stable')[:MOST_PAIRS]
    totals = counts.sum(1)
    rows = []
    for cell in order:
        row, column = divmod(int(cell), len(names))
        count = int(wrong[row, column])
        if count:
            share = 100 * count / int(totals[row])
            rows.append([names[row], names[column], count, share])
    columns = ['true', 'predicted', of, 'of the class (%)']
    return [Table('Confused most', columns, rows, note)] if rows else []


def _curves(
    scores: np.ndarray, labels: np.ndarray, names: list[str]
) -> Picture:
    """Precision by recall of each class against all others."""
    places = np.linspace(0, 1, 101)
    curves = {}
    for index in np.unique(labels):
        order = np.argsort(-scores[:, index], kind='stable')
        right = (labels == index)[order]
        hits = right.cumsum()
        precision = hits / np.arange(1, len(hits) + 1)
        # The best that is had at this recall or a higher one.
        best = np.maximum.accumulate(precision[::-1])[::-1]
        recall = hits / hits[-1]
        at = np.searchsorted(recall, places - 1e-9)
        curves[index] = best[np.minimum(at, len(best) - 1)]
    return pr_picture(
        places,
        np.stack(list(curves.values())),
        [names[index] for index in curves],
        'Precision and recall',
    )


def pr_picture(
    places: np.ndarray, curves: np.ndarray, names: list[str], title: str
) -> Picture:
    """The mean of curves of precision, and those of the worst classes.

    Args:
        places (np.ndarray): (R,) recall.
        curves (np.ndarray): (N, R) precision of each class.
        names (list[str]): The N classes.
        title (str): Of the figure.
    """
    means = curves.mean(1)
    chosen = np.sort(np.argsort(means, kind='stable')[:MOST_CURVES])
    drawn = [('mean', places, curves.mean(0))]
    if len(names) > 1:
        drawn += [
            (f'{names[i]} {means[i]:.2f}', places, curves[i]) for i in chosen
        ]
    caption = f'{title}; the mean over {len(names)} classes has an average '
    caption += f'precision of {means.mean():.3f}'
    if len(chosen) < len(names):
        caption += f', and the {len(chosen)} classes shown have the lowest'
    png = precision_recall(title, drawn)
    return Picture('precision-recall', caption, png)


def _are_probabilities(scores: np.ndarray) -> bool:
    return bool(scores.min() >= 0 and np.allclose(scores.sum(1), 1, atol=1e-2))


def _bins(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return count_bins(scores.max(1), scores.argmax(1) == labels)


def calibration_picture(bins: np.ndarray, right: str) -> Picture:
    """How far confidence can be trusted, see :func:`count_bins`."""
    counts, confidence, correct = bins
    filled = np.maximum(counts, 1)
    png = reliability(
        np.linspace(0, 1, BINS + 1),
        counts,
        confidence / filled,
        correct / filled,
        right,
    )
    error = 100 * calibration_error(bins)
    caption = (
        f'Expected calibration error {error:.1f} % in {BINS} bins; below the '
        'dashed line predictions are too sure'
    )
    return Picture('calibration', caption, png)
