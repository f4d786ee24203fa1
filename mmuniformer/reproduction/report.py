"""docs/reproduction.md: the paper's tables beside what was measured here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmuniformer.reproduction import results as kept
from mmuniformer.reproduction.cells import COUNT, is_figure, source
from mmuniformer.reproduction.figures import NOT_MEASURED, Picture
from mmuniformer.reproduction.rows import label, models_of
from mmuniformer.reproduction.speed_section import speed_section
from mmuniformer.reproduction.speeds import Run
from mmuniformer.zoo import PaperRow, PaperTable, paper_tables

HEAD = """\
# The paper's tables, and what was measured here

<!-- By `make docs-data`: change mmuniformer/zoo, docs/reproduction. -->

Every row of UniFormer in the 23 tables of the
[paper](https://arxiv.org/abs/2201.09450): its config, what is printed of it,
and after the arrow what this project has, with the difference (parameters and
FLOPs: in percent). **{tested} of {metrics} accuracies were measured here;**
{counted} of {counts} parameters and FLOPs were counted. What is not measured
says so. A `?` is behind what is not readable in the text that the tables come
from, and was taken from what stands around it. Figures of other models are in
`mmuniformer/zoo/paper_tables.yml`.

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
several may run at once. *Given file* stands where `--checkpoint` had one that
is not known as a published one. What was measured is not measured again
unless the config, the file, the annotations or the names of images have
changed. A result is *as published* within the spread that is known of the
metric: where OpenMMLab tested the same official files, the largest difference
that it found (pose: AR up to 0.4, AP75 0.4; Kinetics-400: top-1 0.2), and half
of the last digit; otherwise that and 0.1. One of fewer samples than the data
set has says so, and is in no table.
"""


@dataclass
class Tally:
    """How many cells there are, and how many have a value."""

    cells: int = 0
    known: int = 0


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
        self.entries = results
        self.results = kept.chosen(results)
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
            *self._measured(),
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

    def _measured(self) -> Iterator[str]:
        if not self.entries:
            return
        yield '## Accuracies, measured'
        yield ''
        yield 'All results; those of a changed config, and those of a part of'
        yield 'the data, are in no table.'
        yield ''
        heads = ('id', 'test', 'metrics', 'checkpoint', 'measured')
        yield f'| {" | ".join(heads)} |'
        yield f'| {" | ".join([":--"] * len(heads))} |'
        for entry in self.entries:
            cells = [
                f'`{entry["id"]}`',
                '<br>'.join(_test(entry)),
                '<br>'.join(kept.lines(entry)),
                _checkpoint(entry),
                '<br>'.join(_circumstances(entry)),
            ]
            yield f'| {" | ".join(cells)} |'
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
            cells = [_printed(row, name) for name in names]
            cells += [self._cell(table, row, column) for column in figures]
            links = [f'[{e.name}](../{e.config})' for e in row.experiments]
            cells.append('<br>'.join(links) or 'none')
            yield f'| {" | ".join(cells)} |'
        yield ''
        for row in rows:
            if row.note is not None:
                yield f'- {label(row)}: {row.note}.'
                yield ''

    def _cell(self, table: PaperTable, row: PaperRow, column: str) -> str:
        value = row.values.get(column)
        if value is None:
            return '-'
        return f'{_printed(row, column)} → {self._here(table, row, column)}'

    def _here(self, table: PaperTable, row: PaperRow, column: str) -> str:
        """What this project has beside a printed figure."""
        printed = row.values[column]
        if COUNT.search(column):
            return self._count(table, row, column, printed)
        if 'throughput' in column:
            # Another device than the paper's: their quotient says nothing.
            return self._rate(table, row)
        self.accuracies.cells += 1
        found = source(table, row, column)
        if found is None:
            return NOT_MEASURED
        name = found.experiment.id or found.experiment.name
        entry = self.results.get((name, found.style), {'metrics': {}})
        measured = entry['metrics'].get(found.metric, {}).get('measured')
        if measured is None:
            return NOT_MEASURED
        self.accuracies.known += 1
        given = '' if entry.get('weights') else ', given file'
        return f'{measured:.2f} ({measured - printed:+.2f}{given})'

    def _rate(self, table: PaperTable, row: PaperRow) -> str:
        speed = self.speeds and self.speeds.of_row(table, row)
        if speed is None or speed.best is None:
            return NOT_MEASURED
        return f'{speed.rate(speed.best):.3g} ({self.speeds.hardware})'

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


def _test(entry: dict[str, Any]) -> Iterator[str]:
    yield entry['style']
    for key, value in entry['options'].items():
        yield f'`{key}={value}`'


def _checkpoint(entry: dict[str, Any]) -> str:
    name = entry.get('weights') or f'{entry["checkpoint"]} (given)'
    return f'{name}, sha256 {entry["checkpoint_sha256"][:8]}'


def _circumstances(entry: dict[str, Any]) -> Iterator[str]:
    yield from (entry[key] for key in ('date', 'device') if key in entry)
    versions = entry.get('versions', {})
    yield ', '.join(f'{name} {version}' for name, version in versions.items())


def _printed(row: PaperRow, column: str) -> str:
    return _text(row.values.get(column)) + '?' * (column in row.unsure)


def _text(value: Any) -> str:
    if value is None:
        return '-'
    if isinstance(value, list):
        joined = '' if all(isinstance(v, str) for v in value) else ', '
        return joined.join(map(str, value))
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return str(value)
