#!/usr/bin/env python
"""Writes docs/recipe_runs.md: what the published recipes do over a whole run.

    python tools/misc/write_recipe_runs.py

Rates of learning from the schedules that mmengine builds, beside the official
formula; samples of an epoch; parameters without weight decay. Nothing is
trained. The official facts are those of the tests in tests/test_recipes.
With ``--check``, writes nothing and fails if the page is another one.
"""

import argparse
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--check', action='store_true')
    return parser.parse_args()


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    arguments = parse_args()

ROOT = Path(__file__).resolve().parents[2]
# Facts of the official code, and what decides about a schedule, are there.
sys.path.insert(0, str(ROOT / 'tests/test_recipes'))

from recipe_runs import (  # noqa: E402
    CONFIGS,
    TITLES,
    Curve,
    curves,
    decay_groups,
    drop_path,
    samples,
    weight_decay,
)

from mmuniformer.reproduction.figures import save  # noqa: E402

PAGE = ROOT / 'docs/recipe_runs.md'
PICTURE = ROOT / 'docs/reproduction/rates.png'
# Rates that change from epoch to epoch, and not in between.
STEPPED = ('Detection', 'Human pose')
HEAD = """\
# The published recipes over a whole run

<!-- By tools/misc/write_recipe_runs.py: change it, not this page. -->

Of each of the {number} published experiments, without training: the rate of
learning of its built schedules from the first iteration to the last, beside
the official formula; weight decay and drop path, which do not change during a
run; samples of an epoch with the published number of GPUs. What else the
recipes do is in [recipes](recipes.md).

![Rates of learning](reproduction/rates.png)

Lines are this project's, dots the official formula. The last panel has the
drop path of each block, from the first to the last.
"""


def draw(figure, data: dict) -> None:
    """A panel of rates for each task, and one of drop path."""
    axes = figure.subplots(2, 3).flatten()
    for ax, (title, lines) in zip(axes, data['rates'].items(), strict=False):
        for line in lines:
            (drawn,) = ax.plot(
                line['at'],
                line['found'],
                linewidth=1,
                drawstyle='steps-post' if title in STEPPED else 'default',
            )
            ax.plot(
                line['at'],
                line['expected'],
                '.',
                markersize=3,
                markevery=0.03,
                color=drawn.get_color(),
            )
        ax.set(title=title, yscale='log', xlabel='part of the run')
        ax.grid(alpha=0.25)
    axes[0].set_ylabel('learning rate')
    axes[3].set_ylabel('learning rate')
    for depth, rate in data['drop_path']:
        axes[5].plot([1, depth], [0, rate], linewidth=1)
    axes[5].set(title='Drop path', xlabel='block', ylabel='probability')
    axes[5].grid(alpha=0.25)


def picture_data(found: list[Curve]) -> dict:
    """What is drawn: about 800 points at most of each line."""
    rates = {title: [] for title in TITLES.values()}
    for curve in found:
        step = max(1, len(curve.at) // 800)
        rates[TITLES[curve.task]].append(
            {
                key: [float(f'{x:.6g}') for x in getattr(curve, key)[::step]]
                for key in ('at', 'found', 'expected')
            }
        )
    paths = sorted({drop_path(experiment) for experiment in CONFIGS})
    return {'rates': rates, 'drop_path': paths}


def write(found: list[Curve]) -> str:
    """The page."""
    lines = [HEAD.format(number=len(CONFIGS)), '## Runs', '']
    lines += [
        '| Experiment | Highest rate | Last rate | Furthest from the formula '
        '| Weight decay | Drop path | Batch | Samples of an epoch |',
        '| :-- ' + '| --: ' * 7 + '|',
    ]
    for experiment in CONFIGS:
        curve = next(c for c in found if experiment in c.experiments)
        depth, rate = drop_path(experiment)
        batch, drawn = samples(experiment)
        lines.append(
            f'| `{experiment}` | {max(curve.found):.4g} | '
            f'{curve.found[-1]:.3g} | {curve.furthest:.0e} | '
            f'{weight_decay(experiment)} | 0 to {rate:g}, {depth} blocks | '
            f'{batch} | {"not known" if drawn is None else f"{drawn:,}"} |'
        )
    lines += [
        '',
        'Samples are those that all GPUs draw together; of segmentation, '
        'which has no epochs, those of the whole run. Kinetics has another '
        'number in each copy: of N videos, each GPU draws the full batches of '
        'N / GPUs, rounded up.',
        '',
        '## Parameters without weight decay',
        '',
        'As built, equal to the official rule for each parameter '
        '([test](../tests/test_recipes/test_schedules.py)).',
        '',
        '| Experiments | Without | Of all | Names |',
        '| :-- | --: | --: | :-- |',
    ]
    for group in decay_groups():
        names = ', '.join(f'`{name}`' for name in group.names) or '-'
        more = len(group.experiments) - 1
        others = f' and {more} more' if more else ''
        lines.append(
            f'| `{group.experiments[0]}`{others} | {group.without} | '
            f'{group.total} | {names} |'
        )
    return '\n'.join(lines) + '\n'


def main(check: bool) -> int:
    found = curves()
    text = write(found)
    if not check:
        PAGE.write_text(text)
        save(draw, picture_data(found), (12, 7), PICTURE)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.stderr.write(
            f'{PAGE.relative_to(ROOT)} is not what the configs do: run '
            'python tools/misc/write_recipe_runs.py\n'
        )
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(arguments.check))
