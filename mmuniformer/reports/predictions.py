"""The section on what a model predicts, for each library."""

from importlib import import_module

from mmuniformer.reports.content import Section, Table
from mmuniformer.reports.samples import Samples

# Module and function of each. Only that of the library is imported: pose
# needs xtcocotools, detection pycocotools.
ITEMS = {
    'mmaction': ('classes', 'class_items'),
    'mmdet': ('detection', 'detection_items'),
    'mmpose': ('keypoints', 'keypoint_items'),
    'mmpretrain': ('classes', 'class_items'),
    'mmseg': ('segmentation', 'segmentation_items'),
}


def prediction_section(samples: Samples, number: int) -> Section:
    """What is right and wrong in the predictions of a test.

    Args:
        samples (Samples): What it kept.
        number (int): Pictures of the worst samples, and of the best.
    """
    module, name = ITEMS[samples.result['library']]
    items_of = getattr(import_module(f'mmuniformer.reports.{module}'), name)
    section = Section('Predictions', items_of(samples, number))
    metrics = samples.result['metrics']
    if metrics:
        rows = [[name, value] for name, value in metrics.items()]
        table = Table('As the library measures', ['metric', 'value'], rows)
        section.items.insert(0, table)
    return section
