"""The transform that looks at each map of labels as it is loaded."""

from mmuniformer.checks.finding import stop_on_errors
from mmuniformer.checks.label_maps import check_label_map
from mmuniformer.registry import TRANSFORMS


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
        labels = results['gt_seg_map']
        findings = check_label_map(
            labels,
            results['seg_map_path'],
            results.get('ori_shape', labels.shape),
            self.num_classes,
            self.ignore_index,
            bool(results.get('reduce_zero_label')),
        )
        stop_on_errors(findings)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(num_classes={self.num_classes}, '
            f'ignore_index={self.ignore_index})'
        )
