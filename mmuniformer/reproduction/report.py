"""docs/reproduction.md: the paper's tables beside what was measured here."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmuniformer.reproduction.figures import NOT_MEASURED, Picture
from mmuniformer.reproduction.rows import models_of
from mmuniformer.reproduction.speed_section import speed_section
from mmuniformer.reproduction.speeds import Run, Speed
from mmuniformer.reproduction.trials import AS_CONFIGURED, AUGMENTED
from mmuniformer.zoo import (
    Experiment,
    PaperRow,
    PaperTable,
    paper_tables,
)

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
HEAD = """\
# The paper's tables, and what was measured here

<!-- By `make docs-data`: change mmuniformer/zoo, docs/reproduction. -->

Every row of UniFormer in the 23 tables of the
[paper](https://arxiv.org/abs/2201.09450): its config, what is printed of it,
and after the arrow what this project has, with the difference (parameters and
FLOPs: in percent). **{tested} of {metrics} accuracies were measured here;**
{counted} of {counts} parameters and FLOPs were counted. What is not measured
says so. Figures of other models are in `mmuniformer/zoo/paper_tables.yml`.

```shell
mmuniformer reproduce --list          # the official experiments
mmuniformer reproduce --complexity    # counts parameters and FLOPs again
mmuniformer reproduce --run ID --data-root data       # measures an accuracy
mmuniformer reproduce --all --data-root data          # all; goes on, too

# with 8 GPUs
python tools/launch.py --nproc-per-node=8 \\
    tools/analysis_tools/reproduce.py \\
    --all --data-root data --launcher pytorch
make docs-data                        # writes this page again
```

A test checks the layout of the data first, takes the published file and the
style of test of the figure (views, scales, flips), and adds what it measured,
with date, device, versions and digests, to `docs/reproduction/results.json`;
several may run at once. A result is *as published* within the spread that is
known of the metric: where OpenMMLab tested the same official files, the
largest difference that it found (pose: AR up to 0.4, AP75 0.4; Kinetics-400:
top-1 0.2), and half of the last digit; otherwise that and 0.1.
"""


@dataclass(frozen=True)
class Source:
    """What measures a cell: a metric of a style of an experiment."""

    experiment: Experiment
    style: str
    metric: str


@dataclass
class Tally:
    """How many cells there are, and how many have a value."""

    cells: int = 0
    known: int = 0


def is_figure(column: str) -> bool:
    """Whether a column is of figures, not of what a row is."""
    return FIGURE.search(column) is not None


def source(row: PaperRow, column: str) -> Source | None:
    """What measures a cell of accuracy; None where nothing here does.

    Args:
        row (PaperRow): A row of UniFormer.
        column (str): Of the table.
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
    views = row.values.get('views', AS_CONFIGURED)
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


class Page:
    """The page, from the tables and what was measured.

    Args:
        complexity (list[dict]): Rows that were counted.
        results (list[dict]): Entries of the file of results.
        pictures (list[Picture]): With what stands below each.
        speeds (Run, optional): Throughput that was measured.
    """

    def __init__(
        self,
        complexity: list[dict[str, Any]],
        results: list[dict[str, Any]],
        pictures: list[Picture],
        speeds: Run | None = None,
    ) -> None:
        self.complexity = complexity
        self.speeds = speeds
        self.pictures = pictures
        # Results of changed configs are not those of the published ones.
        self.results = {
            (entry['id'], entry['style']): entry['metrics']
            for entry in results
            if not entry['options']
        }
        self.accuracies, self.counts = Tally(), Tally()

    def text(self) -> str:
        """The page in Markdown."""
        tables = [line for t in paper_tables() for line in self._table(t)]
        head = HEAD.format(
            tested=self.accuracies.known,
            metrics=self.accuracies.cells,
            counted=self.counts.known,
            counts=self.counts.cells,
        )
        lines = [
            head,
            *self._figures(),
            *speed_section(self.speeds),
            *self._exceptions(),
            *tables,
        ]
        return '\n'.join(lines).rstrip() + '\n'

    def _figures(self) -> Iterator[str]:
        for picture in self.pictures:
            yield f'## {picture.title}'
            yield ''
            yield f'![{picture.title}](reproduction/{picture.file})'
            yield ''
            yield from picture.notes
            yield ''

    def _exceptions(self) -> Iterator[str]:
        yield '## Where counts are not the printed ones'
        yield ''
        yield 'By more than 1 %:'
        yield ''
        yield '| Model | Tables | Here / paper | Why |'
        yield '| :-- | :-- | --: | :-- |'
        for row in self.complexity:
            if row['explained']:
                tables = ', '.join(map(str, row['tables']))
                yield (
                    f'| `{row["id"]}` | {tables} | {row["ratio"]} | '
                    f'{row["explained"]} |'
                )
        yield ''
        ways = {row['counted'] for row in self.complexity if row['counted']}
        yield 'Some are counted as the paper did, not as the config is:'
        yield f'{"; ".join(sorted(ways))}.'
        yield ''

    def _table(self, table: PaperTable) -> Iterator[str]:
        rows = [row for row in table.rows if row.is_uniformer]
        columns = list(dict.fromkeys(c for row in rows for c in row.values))
        names = [c for c in columns if not is_figure(c)]
        figures = [c for c in columns if is_figure(c)]
        yield f'## Table {table.number}: {table.title}'
        yield ''
        yield table.about
        yield ''
        heads = [*names, *figures, 'configs']
        yield f'| {" | ".join(heads)} |'
        yield f'| {" | ".join([":--"] * len(heads))} |'
        for row in rows:
            cells = [_text(row.values.get(name)) for name in names]
            cells += [self._cell(table, row, column) for column in figures]
            links = [f'[{e.name}](../{e.config})' for e in row.experiments]
            cells.append('<br>'.join(links) or 'none')
            yield f'| {" | ".join(cells)} |'
        yield ''

    def _cell(self, table: PaperTable, row: PaperRow, column: str) -> str:
        printed = row.values.get(column)
        if printed is None:
            return '-'
        if COUNT.search(column):
            return f'{printed} → {self._count(table, row, column, printed)}'
        if 'throughput' in column:
            # An A100's beside a CPU's: their quotient says nothing.
            measured = self.speeds and self.speeds.of_row(table, row)
            return f'{printed} → {_rate(measured)}'
        self.accuracies.cells += 1
        found = source(row, column)
        metrics = found and self.results.get(
            (found.experiment.id or found.experiment.name, found.style)
        )
        measured = metrics and metrics.get(found.metric, {}).get('measured')
        if measured is None:
            return f'{printed} → {NOT_MEASURED}'
        self.accuracies.known += 1
        return f'{printed} → {measured:.2f} ({measured - printed:+.2f})'

    def _count(
        self, table: PaperTable, row: PaperRow, column: str, printed: float
    ) -> str:
        self.counts.cells += 1
        index = int(column.startswith('upernet'))
        models = list(models_of(table, row))
        if index >= len(models):
            return NOT_MEASURED
        model = models[index]
        for counted in self.complexity:
            same = counted['id'], counted['input'], counted['views']
            if same == (
                model.id,
                list(model.clip or model.shape),
                model.views,
            ):
                break
        else:
            return NOT_MEASURED
        self.counts.known += 1
        is_flops = column.endswith('_G')
        value = counted['flops' if is_flops else 'params']
        value /= 1e9 if is_flops else 1e6
        return f'{value:.4g} ({100 * (value / printed - 1):+.1f} %)'


def _rate(measured: Speed | None) -> str:
    if measured is None or measured.best is None:
        return NOT_MEASURED
    return f'{measured.rate(measured.best):.3g} (CPU)'


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, list):
        joined = '' if all(isinstance(v, str) for v in value) else ', '
        return joined.join(map(str, value))
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return str(value)
