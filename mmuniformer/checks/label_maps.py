"""Maps of labels (semantic segmentation)."""

from collections.abc import Iterator

import numpy as np

from mmuniformer.checks.finding import Finding

SHOWN_LABELS = 5


def check_label_map(
    labels: np.ndarray,
    path: str,
    image_shape: tuple[int, ...],
    num_classes: int,
    ignore_index: int,
    reduced: bool = False,
) -> Iterator[Finding]:
    """Looks whether a map fits its image and the model.

    Args:
        labels (np.ndarray): The map as it was read, whole numbers from 0.
        path (str): Its file.
        image_shape (tuple[int, ...]): Height and width of its image, in
            pixels, and anything after them.
        num_classes (int): Labels are below this number.
        ignore_index (int): The one label besides them.
        reduced (bool): Whether ``reduce_zero_label`` has changed the labels.
    """
    if labels.ndim != 2:
        yield Finding(
            f'{path} has {labels.shape[-1]} channels: a map of labels has '
            'one, which holds indices of classes',
            file=path,
        )
        return
    height, width = image_shape[:2]
    if labels.shape != (height, width):
        yield Finding(
            f'{path} is {labels.shape[1]} x {labels.shape[0]} pixels and its '
            f'image {width} x {height}',
            file=path,
        )
        return
    present = np.flatnonzero(np.bincount(labels.ravel()))
    wrong = present[(present >= num_classes) & (present != ignore_index)]
    if len(wrong):
        shown = ', '.join(map(str, wrong[:SHOWN_LABELS]))
        yield Finding(
            f'{path} has the label {shown}'
            f'{", ..." if len(wrong) > SHOWN_LABELS else ""}'
            f'{" (after reduce_zero_label)" if reduced else ""}: the model '
            f'has {num_classes} classes, so labels are 0 to '
            f'{num_classes - 1}, and {ignore_index} for what is ignored',
            file=path,
            entry=f'label {shown}',
        )
