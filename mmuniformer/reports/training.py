"""Sections on what runs logged, wrote and ran on."""

import math
import statistics
from collections.abc import Sequence

from mmuniformer.reports.content import (
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    file_name,
    number,
)
from mmuniformer.reports.figures import lines
from mmuniformer.reports.records import TIMES, Curves, less_is_better
from mmuniformer.reports.runs import Run
from mmuniformer.reports.written_config import differences, lookup

# Curves of one kind that are drawn; there may be one for each class.
MOST_CURVES = 24
# Metrics that show at first.
MOST_METRICS = 5
FOLDED = ('Parts of the loss', 'More metrics')
# Bytes of a config that the page holds.
LONGEST_CONFIG = 400_000


def overview(runs: Sequence[Run]) -> Section:
    """What came out of each run."""
    rows = []
    for run in runs:
        curves, metric = run.curves, run.metric
        best = curves.best(metric) if metric else None
        last = curves.points('val', metric)[1][-1:] if metric else []
        rows.append(
            [
                run.name,
                metric,
                best and best[1],
                best and _place(best[0], curves),
                last[0] if last else None,
                _progress(run),
                _last_loss(curves),
                duration(run.seconds),
                _checkpoint(run),
            ]
        )
    columns = [
        'run',
        'metric',
        'best',
        'at',
        'last',
        'trained',
        'last loss',
        'time',
        'checkpoint',
    ]
    table = Table('Result', *_without_empty(columns, rows))
    items: list = [table]
    if len(runs) > 1:
        items += _metrics_of(runs)
    elif runs[0].curves.metrics():
        items.append(_all_metrics(runs[0]))
    return Section('Overview', items)


def _without_empty(
    columns: Sequence[str], rows: Sequence[Sequence]
) -> tuple[list[str], list[list]]:
    """Columns that some run has a value for: a run may have no validation."""
    kept = [
        place
        for place in range(len(columns))
        if any(row[place] is not None for row in rows)
    ]
    return (
        [columns[place] for place in kept],
        [[row[place] for place in kept] for row in rows],
    )


def _metrics_of(runs: Sequence[Run]) -> list[Table]:
    """The best of each metric, a column for each run."""
    metrics = _metric_names(runs)
    rows, marked = [], set()
    for index, metric in enumerate(metrics):
        found = [run.curves.best(metric) for run in runs]
        values = [each and each[1] for each in found]
        rows.append([metric, *values])
        known = [value for value in values if value is not None]
        if len(known) > 1:
            best = (min if less_is_better(metric) else max)(known)
            marked |= {
                (index, column)
                for column, value in enumerate(values, 1)
                if value == best
            }
    if not rows:
        return []
    names = [run.name for run in runs]
    return [Table('Best of each', ['metric', *names], rows, marked=marked)]


def _all_metrics(run: Run) -> Table:
    rows = []
    for metric in run.curves.metrics():
        place, best = run.curves.best(metric) or (None, None)
        last = run.curves.points('val', metric)[1][-1]
        at = None if place is None else _place(place, run.curves)
        rows.append([metric, best, at, last])
    return Table('Metrics', ['metric', 'best', 'at', 'last'], rows)


def _place(place: float, curves: Curves) -> str:
    unit = 'epoch' if curves.by_epoch else 'iteration'
    return f'{unit} {place:g}'


def _progress(run: Run) -> str | None:
    if run.reached is None:
        return None
    told = _place(run.reached, run.curves)
    planned = run.planned
    if isinstance(planned, (int, float)):
        told += f' of {planned:g}'
    return told


def _last_loss(curves: Curves) -> float | None:
    return (curves.points('train', 'loss')[1] or [None])[-1]


def _checkpoint(run: Run) -> str | None:
    files = [*run.best_files[-1:], *([run.last_file] if run.last_file else [])]
    return ', '.join(path.name for path in files) or None


def duration(seconds: float | None) -> str | None:
    """A time in words."""
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f'{hours} h {minutes:02d} min'
    return f'{minutes} min {rest:02d} s' if minutes else f'{rest} s'


def training_curves(runs: Sequence[Run]) -> Section:
    """Losses, learning rates and metrics over the training."""
    section = Section('Curves')
    train = dict.fromkeys(
        name for run in runs for name in run.curves.names('train')
    )
    losses = [n for n in train if 'loss' in n.lower()]
    rates = [n for n in train if n == 'lr' or n.endswith(('.lr', '_lr'))]
    others = [n for n in train if n not in (*losses, *rates, *TIMES)]
    metrics = _metric_names(runs)
    # The sum before its parts.
    losses.sort(key=lambda name: name != 'loss')
    for title, kinds in (
        (
            'Loss and metrics',
            {'train': losses[:1], 'val': metrics[:MOST_METRICS]},
        ),
        ('Learning rate and gradient', {'train': [*rates, *others]}),
        ('Parts of the loss', {'train': losses[1:]}),
        ('More metrics', {'val': metrics[MOST_METRICS:]}),
    ):
        named = [(phase, n) for phase, names in kinds.items() for n in names]
        pictures = [_picture(runs, *each) for each in named[:MOST_CURVES]]
        left = len(named) - len(pictures)
        note = f'{left} more are in what the run logged.' if left else ''
        folded = title in FOLDED
        if pictures:
            section.items.append(Pictures(title, pictures, note, folded))
    if not section.items:
        section.note = 'No numbers have been logged.'
    return section


def _metric_names(runs: Sequence[Run]) -> list[str]:
    """Metrics of all runs, first those that say how good a run is."""
    names = [run.metric for run in runs if run.metric]
    names += [m for run in runs for m in run.curves.metrics()]
    return list(dict.fromkeys(names))


def _picture(runs: Sequence[Run], phase: str, name: str) -> Picture:
    curves = [
        (run.name, *run.curves.points(phase, name))
        for run in runs
        if name in run.curves.names(phase)
    ]
    by_epoch = {run.curves.by_epoch for run in runs}
    if phase == 'train':
        unit = 'iteration'
    elif len(by_epoch) == 1:
        unit = 'epoch' if by_epoch.pop() else 'iteration'
    else:
        unit = 'epoch or iteration'
    png = lines(name, curves, unit, marks=phase == 'val')
    return Picture(file_name(phase, name), '', png)


def speed(runs: Sequence[Run]) -> Section:
    """How fast the runs were, and what they took of the memory."""
    rows = []
    for run in runs:
        time = _median(run.curves, 'time')
        loading = _median(run.curves, 'data_time')
        images = images_of_a_step(run)
        memory = run.curves.points('train', 'memory')[1]
        rows.append(
            [
                run.name,
                images / time if images and time else None,
                images,
                time,
                loading,
                None if not (time and loading) else f'{loading / time:.0%}',
                max(memory, default=None),
            ]
        )
    columns = [
        'run',
        'images a second',
        'images of an iteration',
        's for an iteration',
        's of it waiting for data',
        'share',
        'memory (MB)',
    ]
    note = (
        'Medians over the training, all processes together; the memory is '
        'the most that one GPU had allocated.'
    )
    items: list = [Table('Speed', *_without_empty(columns, rows), note=note)]
    pictures = [
        _picture(runs, 'train', name)
        for name in TIMES
        if any(name in run.curves.names('train') for run in runs)
    ]
    if pictures:
        items.append(Pictures('Over the training', pictures))
    return Section('Speed', items)


def _median(curves: Curves, name: str) -> float | None:
    values = [v for v in curves.points('train', name)[1] if math.isfinite(v)]
    # The first has the start of workers and kernels in it.
    values = values[1:] or values
    return statistics.median(values) if values else None


def images_of_a_step(run: Run) -> int | None:
    """Images of one iteration of all processes, None if nothing says it."""
    batch = lookup(run.config, 'train_dataloader.batch_size')
    processes = run.environment.get('GPU number', '')
    if not isinstance(batch, int) or not processes.isdecimal():
        return None
    return batch * max(1, int(processes))


def settings(runs: Sequence[Run]) -> Section:
    """The configs, and where they differ."""
    section = Section('Config')
    known = [run for run in runs if run.config]
    if len(known) > 1:
        section.items.append(
            differences([r.name for r in known], [r.config for r in known])
        )
    for run in runs:
        text = run.config_text
        if len(text) > LONGEST_CONFIG:
            text = f'{text[:LONGEST_CONFIG]}\n# cut: {run.config_file}'
        if text:
            section.items.append(Text(f'{run.name}: the config', text))
    return section


def machine(runs: Sequence[Run]) -> Section:
    """What the runs ran on."""
    names = dict.fromkeys(name for run in runs for name in run.environment)
    # A dozen flags of compilers.
    names.pop('PyTorch compiling details', None)
    rows = [
        [name, *(run.environment.get(name, '') for run in runs)]
        for name in names
    ]
    section = Section('Environment')
    if rows:
        columns = ['', *(run.name for run in runs)]
        table = Table('What the log says', columns, rows, words=True)
        section.items.append(table)
    else:
        section.note = 'No log says what the run ran on.'
    return section


def headline(run: Run) -> str:
    """One line on a run."""
    best = run.curves.best(run.metric) if run.metric else None
    if best is None:
        return f'{run.name}: no validation yet'
    place = _place(best[0], run.curves)
    return f'{run.name}: {run.metric} {number(best[1])} at {place}'
