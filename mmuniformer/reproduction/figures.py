"""The paper's figures, from the data of its tables and from counts."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from mmuniformer.reproduction.labels import Name, place
from mmuniformer.zoo import PaperRow, paper_tables

OURS, OTHERS = '#c0392b', '#8a8f98'
DATA_KEY = 'Data'
NOT_MEASURED = 'not measured'
# Pixels of a side, up to the paper's example and beyond.
SIDES = (224, 336, 448, 560, 672, 784, 896, 1008, 1120)
EXAMPLE = 1008
STYLES = {
    'global': {'stage3': 'global'},
    'hybrid, 14': {'stage3': 'hybrid', 'window_size': 14},
    'window, 14': {'stage3': 'window', 'window_size': 14},
}
Draw = Callable[[Figure, Any], None]


@dataclass(frozen=True)
class Picture:
    """A picture of the page: its title, file, and lines below it."""

    title: str
    file: str
    notes: list[str]


def draw_counts(
    complexity: list[dict[str, Any]], folder: Path
) -> list[Picture]:
    """Draws Figures 1 and 4, if they are not of these data already.

    Args:
        complexity (list[dict]): What was counted.
        folder (Path): Where they go.
    """
    accuracy, stages = accuracy_data(complexity), stage_data()
    save(draw_accuracy, accuracy, (11, 9), folder / 'accuracy.png')
    save(draw_stages, stages, (11, 4.5), folder / 'stages.png')
    said = statements(stages)
    return [
        Picture(
            'Accuracy against FLOPs (Fig. 1)',
            'accuracy.png',
            [
                'Both as printed, competitors included: Tables 3, 4 and, of',
                'those tested at 224 and at 384, 2. The hollow stars are',
                'UniFormer-L where its FLOPs, as counted here, are.',
            ],
        ),
        Picture(
            'FLOPs against resolution (Fig. 4)',
            'stages.png',
            [
                'Counted here. What the paper says of an image of 1008x1008:',
                '',
                *(f'- {line}' for line in said),
            ],
        ),
    ]


def save(draw: Draw, data: Any, size: tuple[float, float], path: Path) -> bool:
    """Draws data unless the picture is of the same data already.

    A picture carries the digest of what it shows: so another version of
    matplotlib does not make it another file.

    Args:
        draw (Callable): Draws the data into a figure.
        data: Values of JSON.
        size (tuple[float, float]): Inches.
        path (Path): A PNG file.

    Returns:
        bool: Whether it was written.
    """
    digest = data_digest(draw, data)
    if shows(path) == digest:
        return False
    figure = Figure(figsize=size, layout='constrained')
    draw(figure, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {'Software': None, DATA_KEY: digest}
    figure.savefig(path, dpi=110, metadata=metadata)
    return True


def data_digest(draw: Draw, data: Any) -> str:
    """Digest of what a picture shows, and of what draws it."""
    drawn_by = hashlib.sha256()
    for name in ('figures.py', 'labels.py', 'speed_figures.py'):
        drawn_by.update(Path(__file__).with_name(name).read_bytes())
    text = json.dumps(
        [draw.__name__, drawn_by.hexdigest(), data], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def shows(path: Path) -> str | None:
    """Digest of what a picture shows; None where there is no picture."""
    if not path.is_file():
        return None
    with Image.open(path) as picture:
        return picture.info.get(DATA_KEY)


def accuracy_data(
    complexity: list[dict[str, Any]],
) -> dict[str, list[dict[str, Any]]]:
    """Points of Fig. 1: FLOPs and accuracy as printed, by panel.

    Args:
        complexity (list[dict]): What was counted. Where that is far from the
            printed FLOPs, a point is there too.
    """
    far = {
        (row['id'], row['flops_paper']): row['flops'] / 1e9
        for row in complexity
        if row['ratio'] and not 0.9 < row['ratio'] < 1.1
    }
    tables = {table.number: table for table in paper_tables()}
    panels: dict[str, list[dict[str, Any]]] = {}
    for title, number, metric, chosen in (
        ('ImageNet-1K at 224', 2, 'top1', lambda v: v['test_size'] == 224),
        ('ImageNet-1K at 384', 2, 'top1', lambda v: v['test_size'] == 384),
        ('Kinetics-400', 3, 'k400_top1', lambda v: True),
        ('Something-Something V2', 4, 'ssv2_top1', lambda v: True),
    ):
        panels[title] = [
            point
            for row in tables[number].rows
            if chosen(row.values) and (point := _point(row, metric, far))
        ]
    return panels


def _point(
    row: PaperRow, metric: str, far: dict[tuple, float]
) -> dict[str, Any] | None:
    flops, accuracy = row.values.get('flops_G'), row.values.get(metric)
    if flops is None or accuracy is None:
        return None
    name, views = row.values['model'], row.values.get('views')
    if row.is_uniformer and views:
        # Several rows of videos are of one model.
        name = f'{name} {views}'
        if 'ssv2_top1' in row.values:
            name += f', {row.values["pretrain"]}'
    return {
        'name': name,
        'views': views,
        'flops': flops,
        'accuracy': accuracy,
        'ours': row.is_uniformer,
        'counted': next(
            (
                far[e.id, round(1e9 * flops)]
                for e in row.experiments
                if (e.id, round(1e9 * flops)) in far
            ),
            None,
        ),
    }


def draw_accuracy(figure: Figure, panels: dict[str, list]) -> None:
    """Fig. 1: accuracy against FLOPs, a panel for each data set."""
    axes = figure.subplots(2, 2).flatten()
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        scatter(ax, points, 'flops')
        ax.set(title=title, xlabel='GFLOPs of all views, as printed')
        ax.set_ylabel('top-1 (%)')
        lowest = min(p['accuracy'] for p in points if p['ours'])
        below = [p for p in points if p['accuracy'] < lowest - 12]
        if below:
            # One point far below would press all others together.
            ax.set_ylim(bottom=lowest - 6)
            names = ', '.join(f'{p["name"]} {p["accuracy"]}' for p in below)
            ax.text(
                0.02, 0.02, f'below: {names}', transform=ax.transAxes, size=6
            )
    axes[0].legend(loc='lower right', fontsize='small')
    for ax, points in zip(axes, panels.values(), strict=True):
        bottom = ax.get_ylim()[0]
        shown = [p for p in points if p['accuracy'] > bottom]
        write_names(ax, shown, 'flops', frontier(shown, 'flops', cheap=True))


def scatter(ax: Axes, points: list[dict], across: str) -> None:
    """Draws accuracy over a measure, on a logarithmic axis.

    Args:
        ax (Axes): Where.
        points (list[dict]): With ``accuracy``, ``ours`` and the measure.
        across (str): Key of the measure.
    """
    ax.set_xscale('log')
    values = [p[across] for p in points]
    is_wide = max(values) > 200 * min(values)
    ax.xaxis.set_major_locator(LogLocator(subs=(1,) if is_wide else (1, 2, 5)))
    ax.xaxis.set_major_formatter(
        lambda x, _: f'{x:,.0f}' if x >= 1 else f'{x:g}'
    )
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.12, y=0.08)
    for ours in (False, True):
        chosen = [p for p in points if p['ours'] == ours]
        ax.scatter(
            [p[across] for p in chosen],
            [p['accuracy'] for p in chosen],
            color=OURS if ours else OTHERS,
            marker='*' if ours else 'o',
            s=90 if ours else 18,
            zorder=3 if ours else 2,
            label='UniFormer' if ours else 'others',
        )
    for point in points:
        if point.get('counted') is not None:
            ax.scatter(
                [point['counted']],
                [point['accuracy']],
                facecolors='none',
                edgecolors=OURS,
                marker='*',
                s=90,
                zorder=3,
                label='UniFormer, as counted here',
            )
    ax.grid(alpha=0.25, which='major', linewidth=0.5)


def frontier(points: list[dict], across: str, cheap: bool) -> list[dict]:
    """Points that no other one beats in both.

    Args:
        points (list[dict]): With ``accuracy``.
        across (str): Key of the other measure.
        cheap (bool): Whether less of it is better, or more.
    """
    sign = 1 if cheap else -1
    best = sorted(points, key=lambda p: (sign * p[across], -p['accuracy']))
    highest, found = 0.0, []
    for point in best:
        if point['accuracy'] > highest:
            found.append(point)
            highest = point['accuracy']
    return found


def write_names(
    ax: Axes, points: list[dict], across: str, first: list[dict]
) -> None:
    """Writes the names of points, as many as there is room for.

    Args:
        ax (Axes): As they stay: limits, and a legend if there is one.
        points (list[dict]): All.
        across (str): Key of the horizontal axis.
        first (list[dict]): Those that matter most, after ours.
    """
    ordered = sorted(points, key=lambda p: (not p['ours'], p not in first))
    place(
        ax,
        [
            Name(
                point['name'].removeprefix('UniFormer-'),
                point[across],
                point['accuracy'],
                OURS if point['ours'] else '#444444',
            )
            for point in ordered
        ],
        [(point[across], point['accuracy']) for point in points],
    )


def stage_data() -> dict[str, Any]:
    """FLOPs of UniFormer-S over sizes: of stages, and of stage 3 by style.

    Returns:
        dict: For each side and style, the FLOPs of each stage and of the
        products of attention in stages 3 and 4.
    """
    # Takes seconds, and is of this figure alone.
    import torch

    from mmuniformer.analysis.meta import count
    from mmuniformer.models import UniFormer

    counted: dict[str, Any] = {}
    for style, settings in STYLES.items():
        with torch.device('meta'):
            model = UniFormer('small', **settings)
        for side in SIDES:
            found = count(model, (3, side, side))
            stages = {
                part.name.removeprefix('blocks'): part
                for part in found.parts
                if part.name.startswith('blocks')
            }
            counted.setdefault(style, {})[str(side)] = {
                'total': found.model.total,
                'stages': [stages[n].total for n in sorted(stages)],
                'products': [
                    stages[n].flops['attention'] for n in sorted(stages)
                ],
            }
    return counted


def draw_stages(figure: Figure, counted: dict[str, Any]) -> None:
    """Fig. 4: FLOPs over resolution."""
    stages, products = figure.subplots(1, 2)
    sides = [int(side) for side in counted['global']]
    found = list(counted['global'].values())
    stages.plot(
        sides,
        [f['total'] / 1e9 for f in found],
        'k.-',
        label='whole backbone',
    )
    for number in range(4):
        stages.plot(
            sides,
            [f['stages'][number] / 1e9 for f in found],
            '.-',
            label=f'stage {number + 1}',
        )
    for number in (2, 3):
        stages.plot(
            sides,
            [f['products'][number] / 1e9 for f in found],
            '.--',
            label=f'products of attention, stage {number + 1}',
        )
    stages.set(title='UniFormer-S, global', ylabel='GFLOPs')
    for style, by_side in counted.items():
        products.plot(
            sides,
            [f['products'][2] / 1e9 for f in by_side.values()],
            '.-',
            label=style,
        )
    products.set(title='Products of attention in stage 3, by style')
    for ax in (stages, products):
        ax.axvline(EXAMPLE, color=OTHERS, linewidth=0.8, linestyle=':')
        ax.set_xlabel('pixels of a side')
        ax.grid(alpha=0.25)
        ax.legend(fontsize='small')


def statements(counted: dict[str, Any]) -> list[str]:
    """What the paper says of 1008x1008, by our counts.

    Args:
        counted (dict): See :func:`stage_data`.
    """
    found = counted['global'][str(EXAMPLE)]
    share = found['products'][2] / found['total']
    stage = found['stages'][2] / found['stages'][3]
    product = found['products'][2] / found['products'][3]
    return [
        f'The products of attention in stage 3 are over 50 % of all FLOPs: '
        f'{100 * share:.1f} % here.',
        f'Stage 4 has 1/28 of the FLOPs of stage 3: of the products of '
        f'attention 1/{product:.0f} here, of the whole stage 1/{stage:.1f}.',
    ]
