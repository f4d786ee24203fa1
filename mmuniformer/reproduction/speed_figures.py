"""Figures of speed: accuracy over throughput, and cost over size."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from mmuniformer.reproduction.figures import (
    NOT_MEASURED,
    Picture,
    frontier,
    save,
    scatter,
    write_names,
)
from mmuniformer.reproduction.speed_section import not_measured
from mmuniformer.reproduction.speeds import (
    DEPLOYED,
    PLAIN,
    TABLES,
    Run,
    Speed,
    exponent,
    is_of_designs,
    read_run,
)
from mmuniformer.zoo import PaperRow, paper_tables

# What the benchmark has written, in the folder of the pictures.
TABLES_FILE, SWEEP_FILE = 'tables.json', 'sweep.json'
STYLES = {
    'UniFormer-S': 'global',
    'UniFormer-S-h14': 'hybrid, 14',
    'UniFormer-S-w14': 'window, 14',
}
COLOURS = {'global': 'C0', 'hybrid, 14': 'C1', 'window, 14': 'C2'}
# Sizes that growth for large ones is fitted to.
LARGEST = 3


def draw_speeds(folder: Path) -> list[Picture]:
    """Draws the figures of speed, if they are not of these data already.

    Args:
        folder (Path): Of the pictures, and of what the benchmark has written.
    """
    run, sweep = (read_run(folder / f) for f in (TABLES_FILE, SWEEP_FILE))
    data = throughput_data(run)
    height = 4.5 * math.ceil(len(data) / 2)
    save(draw_throughput, data, (12, height), folder / 'throughput.png')
    pictures = [
        Picture(
            'Accuracy against throughput (Tables 11 and 12)',
            'throughput.png',
            [
                'Accuracy and throughput on an A100 as printed. Here: '
                + (
                    f'{NOT_MEASURED}.'
                    if run is None
                    else 'each model in its fastest form.'
                )
            ],
        )
    ]
    if sweep is None:
        return pictures
    growth = sweep_data(sweep)
    save(draw_sweep, growth, (11, 8.5), folder / 'sweep.png')
    about = sweep.environment
    notes = [
        f'`{about["command"]}`, {about["date"]}: {about["device"]};',
        f'{about["packages"]}. UniFormer-S, batch of one, float32. Exponents',
        'of powers of the number of tokens, fitted to all sizes of a line and',
        f'to its {LARGEST} largest: 1 is linear.',
        '',
        *_growth_table(growth),
        '',
        *not_measured(sweep),
    ]
    return [*pictures, Picture('Cost against size', 'sweep.png', notes)]


def throughput_data(run: Run | None) -> dict[str, list[dict[str, Any]]]:
    """Points of Tables 11 and 12 as printed, and as measured where they are.

    Args:
        run (Run, optional): What was measured.
    """
    tables = {table.number: table for table in paper_tables()}
    panels = {}
    for title, number in (
        ('ImageNet-1K, images/s on an A100, as printed', 11),
        ('Kinetics-400, videos/s on an A100, as printed', 12),
    ):
        metric, column = TABLES[number]
        panels[title] = [
            {
                'name': _sized(row),
                'throughput': row.values[column],
                'accuracy': row.values[metric],
                'ours': row.is_uniformer,
            }
            for row in tables[number].rows
            if row.values.get(column) and row.values.get(metric)
        ]
    if run is not None:
        panels['ImageNet-1K, images/s, measured here'] = list(
            _measured(run, 2)
        )
        panels['Kinetics-400, videos/s, measured here'] = list(
            _measured(run, 3)
        )
    return panels


def _measured(run: Run, dimensions: int) -> Iterator[dict[str, Any]]:
    for comparison in run.comparisons:
        if is_of_designs(comparison):
            continue
        for speed in comparison:
            fits = len(speed.size) == dimensions
            if fits and speed.best and speed.accuracy is not None:
                size = dict.fromkeys(speed.size)
                yield {
                    'name': f'{speed.model} {"x".join(map(str, size))}',
                    'throughput': speed.rate(speed.best),
                    'accuracy': speed.accuracy,
                    'ours': speed.ours,
                }


def _sized(row: PaperRow) -> str:
    values = row.values
    sizes = [values.get('frames'), values.get('size')]
    return f'{values["model"]} {"x".join(str(s) for s in sizes if s)}'


def draw_throughput(figure: Figure, panels: dict[str, list]) -> None:
    """Accuracy against throughput."""
    grid = figure.subplots(math.ceil(len(panels) / 2), 2)
    axes = grid.flatten()
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        scatter(ax, points, 'throughput')
        ax.set(title=title, xlabel='a second', ylabel='top-1 (%)')
    axes[1].legend(loc='lower left', fontsize='small')
    for ax, points in zip(axes, panels.values(), strict=True):
        best = frontier(points, 'throughput', cheap=False)
        write_names(ax, points, 'throughput', best)


def sweep_data(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Lines of time and memory over tokens, those of images and of video.

    Args:
        run (Run): Of ``--preset sweep``.
    """
    lines: dict[str, dict[tuple[str, str], list]] = {'images': {}, 'video': {}}
    for comparison in run.comparisons:
        for speed in comparison:
            of = lines['video' if len(speed.size) == 3 else 'images']
            for form in (DEPLOYED, PLAIN):
                if form in speed.forms:
                    key = STYLES.get(speed.model, speed.model), form
                    of.setdefault(key, []).append(_point(speed, form))
    return {
        kind: [
            {'style': style, 'form': form, 'points': sorted(points)}
            for (style, form), points in found.items()
            if len(points) > 1
        ]
        for kind, found in lines.items()
    }


def _point(speed: Speed, form: str) -> list[float | None]:
    """Size (pixels of a side, or frames), seconds, bytes."""
    timing = speed.forms[form]
    size = speed.size[0]
    return [size, statistics.median(timing.times), timing.memory]


def growth(kind: str, line: dict[str, Any], value: int, last: int) -> float:
    """Exponent of the number of tokens by which a line grows.

    Args:
        kind (str): 'images', whose tokens grow with the square of the side,
            or 'video', with the frames.
        line (dict): Of :func:`sweep_data`.
        value (int): 1 for time, 2 for memory.
        last (int): How many of the largest sizes count; 0 for all.
    """
    points = line['points'][-last:]
    power = 2 if kind == 'images' else 1
    return exponent(
        [point[0] ** power for point in points],
        [point[value] for point in points],
    )


def _growth_table(lines: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    yield '| over | stage 3 | | sizes | time | largest | memory | largest |'
    yield '| :-- | :-- | :-- | :-- | --: | --: | --: | --: |'
    for kind, found in lines.items():
        for line in found:
            fitted = [
                f'{growth(kind, line, value, last):.2f}'
                for value in (1, 2)
                for last in (0, LARGEST)
            ]
            sizes = ', '.join(f'{point[0]:g}' for point in line['points'])
            unit = 'pixels of a side' if kind == 'images' else 'frames'
            yield (
                f'| {unit} | {line["style"]} | {line["form"]} | {sizes} | '
                f'{" | ".join(fitted)} |'
            )


def draw_sweep(figure: Figure, lines: dict[str, list]) -> None:
    """Time and memory over size, both logarithmic, with their exponents."""
    axes = figure.subplots(2, len(lines), squeeze=False)
    for column, (kind, found) in zip(axes.T, lines.items(), strict=True):
        for ax, value, unit in zip(column, (1, 2), (1, 1e6), strict=True):
            for line in found:
                _draw_line(ax, kind, line, value, unit)
            _dress(ax, kind, found)
        column[0].set_ylabel('time (s)')
        column[1].set_ylabel('memory (MB)')
    axes[0, 0].set_title('UniFormer-S, images')
    axes[0, 1].set_title('UniFormer-S, video, 112 x 112')


def _draw_line(
    ax: Axes, kind: str, line: dict[str, Any], value: int, unit: float
) -> None:
    points = line['points']
    plain = line['form'] == PLAIN
    power = growth(kind, line, value, 0)
    name = f'{line["style"]}{", plain reference" * plain}: {power:.2f}'
    ax.plot(
        [point[0] for point in points],
        [point[value] / unit for point in points],
        marker='.',
        color=COLOURS[line['style']],
        linestyle='--' if plain else '-',
        alpha=0.6 if plain else 1,
        label=name,
    )


def _dress(ax: Axes, kind: str, found: list[dict[str, Any]]) -> None:
    sizes = sorted({point[0] for line in found for point in line['points']})
    ax.set_xscale('log')
    ax.set_yscale('log')
    ax.set_xticks(sizes, [f'{size:g}' for size in sizes])
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(lambda y, _: f'{y:g}')
    ax.minorticks_off()
    ax.set_xlabel('pixels of a side' if kind == 'images' else 'frames')
    ax.grid(alpha=0.25)
    ax.legend(fontsize='small', title='exponent of tokens')
