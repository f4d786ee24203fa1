"""What was measured, as tables, files and a figure."""

import json
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from mmuniformer.analysis.benchmark.measuring import Spread
from mmuniformer.analysis.benchmark.profiling import COLUMNS
from mmuniformer.analysis.benchmark.racing import (
    RaceResult,
    Report,
    Result,
)
from mmuniformer.analysis.benchmark.works import Goal
from mmuniformer.engine.backends import AtomicLocalBackend

HEADER = (
    'who',
    'time (ms)',
    'faster',
    'per second',
    'memory (MB)',
    'of memory',
    'GMACs',
    'of ceiling',
    'error',
)
KIND_TITLE = 'Where the time goes (ms)'
KIND_HEADER = ('who', *COLUMNS)
GOAL_HEADER = ('goal', 'wanted', 'reached', 'holds')
# A training step is a forward pass, and a backward pass of twice its work.
PASSES = {'inference': 1, 'training': 3}


def race_rows(race: RaceResult, report: Report) -> list[list[str]]:
    """A row of text for each entry, in the order of ``HEADER``."""
    return [_row(result, race, report) for result in race.results]


def _row(result: Result, race: RaceResult, report: Report) -> list[str]:
    who = str(result.entry)
    if not result.times:
        return [who, result.note, *[''] * (len(HEADER) - 2)]
    first = race.results[0].entry
    spread = Spread.of(result.times)
    speedup = race.speedup(result.entry, first)
    ratio = race.memory_ratio(result.entry, first)
    cells = [
        who,
        f'{spread.median * 1e3:.4g} ({spread.low * 1e3:.4g}-'
        f'{spread.high * 1e3:.4g})',
        ''
        if speedup is None
        else f'{speedup.median:.2f} ({speedup.low:.2f}-{speedup.high:.2f})',
        f'{race.work.batch / spread.median:.3g}',
        '' if result.memory is None else f'{result.memory / 1e6:.0f}',
        '' if ratio is None else f'{ratio:.2f}',
        '',
        '',
        '' if result.error is None else f'{result.error:.0e}',
    ]
    if result.macs is not None:
        rate = result.macs * PASSES[race.work.mode] / spread.median
        ceiling = report.ceilings[result.entry.dtype]
        cells[6] = f'{result.macs / 1e9:.1f}'
        cells[7] = f'{rate / ceiling:.0%}'
    return cells


def kind_rows(race: RaceResult) -> list[list[str]]:
    """A row of text for each profiled entry, as ``KIND_HEADER``."""
    return [
        [
            str(result.entry),
            *(f'{1e3 * result.kinds[column]:.1f}' for column in COLUMNS),
        ]
        for result in race.results
        if result.kinds
    ]


def goal_rows(report: Report, goals: list[Goal], unit: str) -> list[list[str]]:
    """A row of text for each goal, in the order of ``GOAL_HEADER``."""
    rows = []
    for goal in goals:
        reached = report.reached(goal)
        sign, what = ('<=', 'memory') if goal.memory else ('>=', 'speed')
        if reached is None:
            holds = 'not measured'
        else:
            good = (
                reached <= goal.limit if goal.memory else reached >= goal.limit
            )
            holds = 'yes' if good else 'no'
            if goal.only_with and goal.only_with != unit:
                holds += f' (it is for a device with {goal.only_with})'
        rows.append(
            [
                f'{what}, {goal.work}: {goal.entry} / {goal.than}',
                f'{sign} {goal.limit}',
                '' if reached is None else f'{reached:.2f}',
                holds,
            ]
        )
    return rows


def rich_table(
    title: str, header: tuple[str, ...], rows: list[list[str]]
) -> Table:
    """A table for the terminal."""
    table = Table(title=title, title_justify='left')
    for i, name in enumerate(header):
        table.add_column(name, justify='right' if i else 'left')
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(header: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table for a document."""
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def to_markdown(report: Report, goals: list[Goal], unit: str) -> str:
    """The whole report as a document."""
    parts = ['# Benchmark']
    parts.append(
        '\n'.join(f'- {k}: {v}' for k, v in report.environment.items())
    )
    ceilings = ', '.join(
        f'{dtype} {2e-9 * macs:.0f} GFLOP/s'
        for dtype, macs in report.ceilings.items()
    )
    parts.append(f'Large matrix product (2 FLOPs a product): {ceilings}')
    for race in report.races:
        parts.append(f'## {race.work}')
        parts.append(markdown_table(HEADER, race_rows(race, report)))
        rows = kind_rows(race)
        if rows:
            parts.append(f'{KIND_TITLE}:')
            parts.append(markdown_table(KIND_HEADER, rows))
    if goals:
        parts.append('## Goals')
        rows = goal_rows(report, goals, unit)
        parts.append(markdown_table(GOAL_HEADER, rows))
    return '\n\n'.join(parts) + '\n'


def write(
    report: Report, goals: list[Goal], unit: str, folder: Path
) -> list[Path]:
    """Writes JSON, Markdown and, where there is something to see, a figure.

    Returns:
        The files.
    """
    backend = AtomicLocalBackend()
    files = [folder / 'benchmark.json', folder / 'benchmark.md']
    backend.put_text(json.dumps(report.to_dict(), indent=2) + '\n', files[0])
    backend.put_text(to_markdown(report, goals, unit), files[1])
    lines = lines_over_sizes(report)
    if lines:
        files.append(folder / 'benchmark.png')
        plot(lines, files[-1])
    return files


Line = list[tuple[float, float, float | None]]


def lines_over_sizes(report: Report) -> dict[bool, dict[str, Line]]:
    """Time and memory of what was measured at several sizes.

    Returns:
        For images (False) and video (True), a line for each entry of each
        model: its points of size (megapixels, or frames), seconds and bytes.
    """
    lines: dict[bool, dict[str, Line]] = {
        False: defaultdict(list),
        True: defaultdict(list),
    }
    for race in report.races:
        work = race.work
        size = work.size[0] if work.is_video else _megapixels(work.size)
        for result in race.results:
            if result.times:
                name = f'{work.model}, {result.entry}'
                if work.mode == 'training' or work.batch > 1:
                    name += f', {work.mode}, batch {work.batch}'
                time = Spread.of(result.times).median
                lines[work.is_video][name].append((size, time, result.memory))
    several = {
        kind: {
            name: sorted(points)
            for name, points in of_kind.items()
            if len({point[0] for point in points}) > 1
        }
        for kind, of_kind in lines.items()
    }
    return {kind: of_kind for kind, of_kind in several.items() if of_kind}


def _megapixels(size: tuple[int, ...]) -> float:
    return size[0] * size[1] / 1e6


def plot(lines: dict[bool, dict[str, Line]], path: Path) -> None:
    """Draws time over size, a column for images and for video.

    Below it memory, where it was measured at every size.
    """
    measured = any(
        None not in [memory for _, _, memory in points]
        for of_kind in lines.values()
        for points in of_kind.values()
    )
    rows = ['time (s)', 'memory (GB)'] if measured else ['time (s)']
    size = (5.5 * len(lines), 3.5 * len(rows))
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(len(rows), len(lines), squeeze=False)
    for column, (is_video, of_kind) in enumerate(sorted(lines.items())):
        for name, points in of_kind.items():
            sizes, times, memories = zip(*points, strict=True)
            axes[0, column].plot(sizes, times, marker='o', label=name)
            if None not in memories:
                axes[1, column].plot(
                    sizes, [m / 1e9 for m in memories], marker='o', label=name
                )
        for row, what in enumerate(rows):
            axes[row, column].set_ylabel(what)
            axes[row, column].set_ylim(bottom=0)
            axes[row, column].set_xlabel(
                'frames' if is_video else 'megapixels'
            )
        axes[0, column].legend(fontsize='small')
    figure.savefig(path, dpi=120)
