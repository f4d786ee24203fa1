"""The section on what a model predicts, for each library."""

from mmuniformer.reports.classes import class_items
from mmuniformer.reports.content import Section, Table
from mmuniformer.reports.detection import detection_items
from mmuniformer.reports.keypoints import keypoint_items
from mmuniformer.reports.samples import Samples
from mmuniformer.reports.segmentation import segmentation_items

ITEMS = {
    'mmaction': class_items,
    'mmdet': detection_items,
    'mmpose': keypoint_items,
    'mmpretrain': class_items,
    'mmseg': segmentation_items,
}


def prediction_section(samples: Samples, number: int) -> Section:
    """What is right and wrong in the predictions of a test.

    Args:
        samples (Samples): What it kept.
        number (int): Pictures of the worst samples, and of the best.
    """
    section = Section('Predictions')
    section.items = ITEMS[samples.result['library']](samples, number)
    metrics = samples.result['metrics']
    if metrics:
        rows = [[name, value] for name, value in metrics.items()]
        table = Table('As the library measures', ['metric', 'value'], rows)
        section.items.insert(0, table)
    return section
