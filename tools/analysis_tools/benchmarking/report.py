"""What was measured, as tables, files and a figure."""

import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.errors import UserError
from mmuniformer.reproduction.speeds import exponent

from .comparing import Measured, Result
from .measuring import quartiles
from .workloads import Variant, Workload, accuracy

# A training step is a forward pass, and a backward pass of twice its work.
PASSES = {'inference': 1, 'training': 3}


@dataclass
class Report:
    """All that a run has measured, and where.

    Attributes:
        environment (dict[str, str]): Date, command, device, versions.
        ceilings (dict[str, float]): Multiply-accumulates a second of a large
            matrix product, by number format.
        comparisons (list[Measured]): What was measured.
        left_out (list[str]): What was asked for, and not measured (yet).
    """

    environment: dict[str, str]
    ceilings: dict[str, float]
    comparisons: list[Measured]
    left_out: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> list[Path]:
        """Writes JSON, Markdown and, where there are several sizes, a figure.

        Returns:
            list[Path]: The files.
        """
        backend = AtomicLocalBackend()
        files = [folder / 'benchmark.json', folder / 'benchmark.md']
        backend.put_text(json.dumps(asdict(self), indent=2) + '\n', files[0])
        backend.put_text(self.to_markdown(), files[1])
        lines = lines_over_sizes(self.comparisons)
        if lines:
            files.append(folder / 'benchmark.png')
            plot(lines, files[-1])
        return files

    def to_markdown(self) -> str:
        """The whole report as a document."""
        facts = [f'- {k}: {v}' for k, v in self.environment.items()]
        ceilings = ', '.join(
            f'{dtype} {2e-9 * macs:.0f} GFLOP/s'
            for dtype, macs in self.ceilings.items()
        )
        parts = [
            '# Benchmark',
            '\n'.join(facts),
            f'Large matrix product (2 FLOPs a product): {ceilings}',
            *(section(m, self.ceilings) for m in self.comparisons),
        ]
        if self.left_out:
            left = '\n'.join(f'- {name}' for name in self.left_out)
            parts += ['## Not measured', left]
        fitted = exponents(lines_over_sizes(self.comparisons))
        if fitted:
            parts += [
                '## Growth with the number of tokens',
                'Exponents of powers fitted to all sizes of a line: 1 is '
                'linear.',
                table(fitted),
            ]
        return '\n\n'.join(parts) + '\n'


def read_report(path: Path) -> Report:
    """What :meth:`Report.write` has written.

    Raises:
        UserError: If the file is not that.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        comparisons = [_measured(c) for c in content['comparisons']]
        return Report(
            dict(content['environment']),
            dict(content['ceilings']),
            comparisons,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} cannot be gone on with ({type(error).__name__}: '
            f'{error}): take another --out-dir, or leave out --resume'
        ) from error


def _measured(content: dict[str, Any]) -> Measured:
    workload = content['workload']
    results = [
        Result(**{**result, 'variant': Variant(**result['variant'])})
        for result in content['results']
    ]
    size = tuple(workload['size'])
    return Measured(Workload(**{**workload, 'size': size}), results)


def section(measured: Measured, ceilings: dict[str, float]) -> str:
    """A comparison as Markdown: its tables under a heading."""
    parts = [f'## {measured.workload}', table(rows(measured, ceilings))]
    kinds = [
        {'variant': str(result.variant)}
        | {kind: f'{1e3 * time:.1f}' for kind, time in result.kinds.items()}
        for result in measured.results
        if result.kinds
    ]
    if kinds:
        parts += ['Where the time goes (ms):', table(kinds)]
    return '\n\n'.join(parts)


def table(rows: list[dict[str, str]]) -> str:
    """A table in Markdown, of every column that a row has."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    lines = [header, ['---', *['---:'] * (len(header) - 1)]]
    lines += [[row.get(name, '') for name in header] for row in rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def rows(
    measured: Measured, ceilings: dict[str, float]
) -> list[dict[str, str]]:
    """For each variant, the text of each column that it has."""
    return [_row(result, measured, ceilings) for result in measured.results]


def _row(
    result: Result, measured: Measured, ceilings: dict[str, float]
) -> dict[str, str]:
    baseline, workload = measured.results[0], measured.workload
    row = {'variant': str(result.variant), 'time (ms)': result.note}
    if not result.times:
        return row
    low, median, high = quartiles(result.times)
    row['time (ms)'] = f'{1e3 * median:.4g} ({1e3 * low:.4g}-{1e3 * high:.4g})'
    if baseline.times:
        least, middle, most = speedup(result, baseline)
        row['faster'] = f'{middle:.2f} ({least:.2f}-{most:.2f})'
    row['per second'] = f'{workload.batch / median:.3g}'
    if result.memory is not None:
        row['memory (MB)'] = f'{result.memory / 1e6:.0f}'
        if baseline.memory is not None:
            row['of memory'] = f'{result.memory / baseline.memory:.2f}'
    if result.macs is not None:
        rate = result.macs * PASSES[workload.mode] / median
        row['GMACs'] = f'{result.macs / 1e9:.1f}'
        # No matrix product of torch is in 8 bits.
        ceiling = ceilings.get(result.variant.dtype)
        if ceiling is not None:
            row['of ceiling'] = f'{rate / ceiling:.0%}'
    top1 = accuracy(result.variant, workload)
    if top1 is not None:
        row['top-1, published'] = str(top1)
    if result.error is not None:
        row['error'] = f'{result.error:.0e}'
    return row


def speedup(result: Result, baseline: Result) -> list[float]:
    """Quartiles of the quotients of speeds, round by round."""
    pairs = zip(baseline.times, result.times, strict=True)
    return quartiles([slow / fast for slow, fast in pairs])


# Of one variant, sorted: size (megapixels, or frames), seconds, and gigabytes
# or NaN.
Line = list[tuple[float, float, float]]


def lines_over_sizes(
    comparisons: list[Measured],
) -> dict[str, dict[str, Line]]:
    """Time and memory of what was measured at several sizes.

    Returns:
        dict: For 'megapixels' and 'frames', a line for each variant.
    """
    lines: dict[str, dict[str, Line]] = defaultdict(lambda: defaultdict(list))
    for measured in comparisons:
        workload = measured.workload
        unit, size = 'megapixels', math.prod(workload.size) / 1e6
        if workload.is_video:
            unit, size = 'frames', workload.size[0]
        for result in measured.results:
            if not result.times:
                continue
            name = f'{workload.model}, {result.variant}'
            if workload.mode == 'training' or workload.batch > 1:
                name += f', {workload.mode}, batch {workload.batch}'
            memory = math.nan if result.memory is None else result.memory / 1e9
            point = (size, quartiles(result.times)[1], memory)
            lines[unit][name].append(point)
    several = {
        unit: {
            name: sorted(line)
            for name, line in named.items()
            if len({size for size, *_ in line}) > 1
        }
        for unit, named in lines.items()
    }
    return {unit: named for unit, named in several.items() if named}


def exponents(lines: dict[str, dict[str, Line]]) -> list[dict[str, str]]:
    """Powers of the number of tokens by which time and memory grow.

    Tokens are proportional to the pixels of an image, and to frames.
    """
    rows = []
    for unit, named in lines.items():
        for name, line in named.items():
            sizes, times, memory = zip(*line, strict=True)
            row = {'variant': name, 'over': unit}
            row['time'] = f'{exponent(sizes, times):.2f}'
            if not any(map(math.isnan, memory)):
                row['memory'] = f'{exponent(sizes, memory):.2f}'
            rows.append(row)
    return rows


def plot(lines: dict[str, dict[str, Line]], path: Path) -> None:
    """Draws time over size, and memory below it where it was measured.

    Images and video have a column each.
    """
    memory = [
        point[2]
        for named in lines.values()
        for line in named.values()
        for point in line
    ]
    labels = ['time (s)']
    if not all(map(math.isnan, memory)):
        labels.append('memory (GB)')
    size = (5.5 * len(lines), 3.5 * len(labels))
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(len(labels), len(lines), squeeze=False)
    for column, (unit, named) in zip(axes.T, lines.items(), strict=True):
        for name, line in named.items():
            sizes, *values = zip(*line, strict=True)
            # Without memory there is one panel.
            for ax, ys in zip(column, values, strict=False):
                ax.plot(sizes, ys, marker='o', label=name)
        for ax, label in zip(column, labels, strict=True):
            ax.set(xlabel=unit, ylabel=label, ylim=(0, None))
        column[0].legend(fontsize='small')
    figure.savefig(path, dpi=120)
