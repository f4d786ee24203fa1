"""Maps of labels: what is wrong with one is said with its name."""

import numpy as np

from mmuniformer.errors import UserError
from mmuniformer.registry import TRANSFORMS

SHOWN_LABELS = 5


@TRANSFORMS.register_module()
class CheckLabels:
    """Refuses a map of labels that does not fit its image or the model.

    For a pipeline of mmseg, right after ``LoadAnnotations``. Without it a
    label out of range is an index error of the loss, on a GPU an assertion
    that ends the process, and in an evaluation nothing at all; none of them
    tells the file.

    Args:
        num_classes (int): Labels are below this number.
        ignore_index (int): The one label besides them.

    Raises:
        UserError: Naming the file and what is wrong with it.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def __call__(self, results: dict) -> dict:
        """Checks ``gt_seg_map`` (H, W), whole numbers from 0."""
        labels, path = results['gt_seg_map'], results['seg_map_path']
        if labels.ndim != 2:
            raise UserError(
                f'{path} has {labels.shape[-1]} channels: a map of labels '
                'has one, which holds indices of classes'
            )
        height, width = results.get('ori_shape', labels.shape)[:2]
        if labels.shape != (height, width):
            raise UserError(
                f'{path} is {labels.shape[1]} x {labels.shape[0]} pixels and '
                f'its image {width} x {height}'
            )
        present = np.flatnonzero(np.bincount(labels.ravel()))
        wrong = present[
            (present >= self.num_classes) & (present != self.ignore_index)
        ]
        if len(wrong):
            reduced = results.get('reduce_zero_label')
            shown = ', '.join(map(str, wrong[:SHOWN_LABELS]))
            raise UserError(
                f'{path} has the label {shown}'
                f'{", ..." if len(wrong) > SHOWN_LABELS else ""}'
                f'{" (after reduce_zero_label)" if reduced else ""}: the '
                f'model has {self.num_classes} classes, so labels are 0 to '
                f'{self.num_classes - 1}, and {self.ignore_index} for what is '
                'ignored'
            )
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_classes={self.num_classes}, '
            f'ignore_index={self.ignore_index})'
        )
