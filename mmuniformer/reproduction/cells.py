"""Cells of the paper's tables: which test measures the accuracy in one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmuniformer.zoo import Experiment, PaperRow, PaperTable, paper_tables

AS_CONFIGURED = 'as configured'
AUGMENTED = 'ms+flip'
# Columns of metrics: beginning of a name, and the metric of the catalogue.
METRICS = (
    ('APb75', 'box AP75'),
    ('APb50', 'box AP50'),
    ('APb', 'box AP'),
    ('APm75', 'mask AP75'),
    ('APm50', 'mask AP50'),
    ('APm', 'mask AP'),
    ('AP_M', 'AP (M)'),
    ('AP_L', 'AP (L)'),
    ('AP75', 'AP75'),
    ('AP50', 'AP50'),
    ('AP', 'AP'),
    ('AR', 'AR'),
)
DATA = {
    'k400': 'Kinetics-400',
    'k600': 'Kinetics-600',
    'ssv1': 'Something-Something V1',
    'ssv2': 'Something-Something V2',
    'ucf101': 'UCF101',
    'hmdb51': 'HMDB51',
}
COUNT = re.compile(r'(params_M|flops_G)$')
FIGURE = re.compile(rf'{COUNT.pattern}|top[15]|^AP|^AR$|mIoU|throughput|_top')


@dataclass(frozen=True)
class Source:
    """What measures a cell: a metric of a style of an experiment."""

    experiment: Experiment
    style: str
    metric: str


def is_figure(column: str) -> bool:
    """Whether a column is of figures, not of what a row is."""
    return FIGURE.search(column) is not None


def source(table: PaperTable, row: PaperRow, column: str) -> Source | None:
    """What measures a cell of accuracy; None where nothing here does.

    Args:
        table (PaperTable): Any.
        row (PaperRow): One of its rows of UniFormer.
        column (str): Of its columns.
    """
    found = row.experiments
    if not found:
        return None
    for begin, metric in METRICS:
        if column.startswith(begin):
            later = column.endswith('_3x')
            return _of(found, 1 if later else 0, AS_CONFIGURED, metric)
    if column.endswith('mIoU'):
        style = AUGMENTED if 'ms_' in column else AS_CONFIGURED
        return _of(found, int('upernet' in column), style, 'mIoU')
    metric = f'Top {5 if "top5" in column else 1} Accuracy'
    crops = re.search(r'_(\d)crops?_(\d)clip', column)
    if crops:
        views = f'{row.values["train_frames"]}x{crops[1]}x{crops[2]}'
        return _of(found, 0, views, metric)
    if column.endswith(('_2d', '_3d')):
        views = row.values['views']
        return _of(found, int(column.endswith('_3d')), views, metric)
    if column == 'pretrain_top1':
        return _of(found, 1, AS_CONFIGURED, metric)
    views = row.values.get('views', table.views or AS_CONFIGURED)
    prefix = column.partition('_')[0]
    if prefix not in DATA:
        return _of(found, 0, views, metric)
    for i, experiment in enumerate(found):
        if experiment.results[0].dataset.startswith(DATA[prefix]):
            return _of(found, i, views, metric)
    return None


def _of(
    found: Sequence[Experiment], index: int, style: str, metric: str
) -> Source | None:
    if index >= len(found):
        return None
    experiment = found[index]
    if style == experiment.views:
        style = AS_CONFIGURED
    return Source(experiment, style, metric)


def accuracies(row: PaperRow) -> Iterator[tuple[str, float]]:
    """Columns of a row with a printed accuracy, and what is printed."""
    for column, value in row.values.items():
        is_other = COUNT.search(column) or 'throughput' in column
        if is_figure(column) and not is_other and value is not None:
            yield column, value


def printed(experiment: Experiment) -> Iterator[tuple[Source, float]]:
    """What the paper prints of an experiment, without what is unsure.

    Args:
        experiment (Experiment): Official, or one with something changed.
    """
    for table in paper_tables():
        for row in table.rows:
            if experiment not in row.experiments:
                continue
            for column, value in accuracies(row):
                found = source(table, row, column)
                is_its = found is not None and found.experiment == experiment
                if is_its and column not in row.unsure:
                    yield found, value
