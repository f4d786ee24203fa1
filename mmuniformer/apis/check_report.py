"""The report of check_dataset.py: tables to read, or JSON."""

import json
import math
import os
import sys
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmuniformer.apis.checking import Report, check_dataset
from mmuniformer.checks.duplicates import Duplicate
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.summary import Summary
from mmuniformer.errors import UserError
from mmuniformer.visualization.class_counts import draw_class_counts

FORMATS = ('table', 'json')
LEVELS = {'error': 'red', 'warning': 'yellow', 'note': 'cyan'}
BAR = 20
# Of more classes, a table has the most and the least frequent.
MOST_CLASSES = 40
COMMON_SIZES = 3
SHOWN_DUPLICATES = 10
# Columns of a file or a pipe: a finding is one line there.
NO_LIMIT = 10_000


def report_on_dataset(
    config: str,
    phases: list[str] | None = None,
    decode: bool = False,
    format: str = 'table',
    out: str | None = None,
    plot: str | None = None,
    cfg_options: dict[str, Any] | None = None,
) -> None:
    """Prints what :func:`check_dataset` finds.

    Args:
        config (str): Config file.
        phases (list[str], optional): Of 'train', 'val' and 'test'; by default
            those that the config has.
        decode (bool): Decode every image and video.
        format (str): 'table' or 'json'.
        out (str, optional): File for the report, in place of stdout.
        plot (str, optional): Picture file for the units of each class.
        cfg_options (dict, optional): Values by dotted key.

    Raises:
        UserError: If there is an error or a warning, with their numbers; see
            :func:`check_dataset` besides.
    """
    report = check_dataset(config, phases, decode, cfg_options)
    text = None if format == 'table' else as_json(report) + '\n'
    if out is not None:
        if text is None:
            file = StringIO()
            print_report(report, Console(file=file, width=NO_LIMIT))
            text = '\n'.join(map(str.rstrip, file.getvalue().splitlines()))
            text += '\n'
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        data = text.encode('utf-8', 'backslashreplace')
        Path(out).write_bytes(data)
    elif text is None:
        print_report(report, _console())
    else:
        sys.stdout.write(text)
    if plot is not None:
        counts = {
            f'{s.path} ({s.unit})': s.classes
            for s, _ in _distinct(report.summary)
        }
        draw_class_counts(counts, plot)
    if report.wrong:
        raise UserError(f'{report.config}: {_numbers(report)}')


def as_json(report: Report) -> str:
    """The report as JSON; docs/data.md has the keys."""
    content = dict(
        config=report.config,
        phases=report.phases,
        findings=[
            dict(
                level=f.level,
                file=f.file,
                entry=f.entry,
                what=f.what,
                mend=f.mend,
            )
            for f in report.findings
        ],
        summary=[
            dict(
                path=s.path,
                phase=s.phase,
                samples=s.samples,
                files=len(s.files),
                unit=s.unit,
                classes=s.classes,
                sizes=_sizes(s.sizes),
            )
            for s in report.summary
        ],
        uncounted=report.uncounted,
        duplicates=[
            dict(phases=d.phases, files=list(map(str, d.files)), same=d.same)
            for d in report.duplicates
        ],
    )
    return json.dumps(content, indent=2, ensure_ascii=False, default=int)


def _sizes(sizes: Counter) -> dict[str, Any] | None:
    """Smallest, median, largest (by area) and common width and height."""
    if not sizes:
        return None
    ordered = sorted(
        sizes.elements(), key=lambda size: (math.prod(size), size)
    )
    common = sizes.most_common(COMMON_SIZES)
    return dict(
        min=ordered[0],
        median=ordered[len(ordered) // 2],
        max=ordered[-1],
        common=[dict(size=size, images=number) for size, number in common],
    )


def _console() -> Console:
    fits = sys.stdout.isatty() or 'COLUMNS' in os.environ
    return Console(width=None if fits else NO_LIMIT)


def print_report(report: Report, console: Console) -> None:
    """Prints findings by level, and the figures of each data set."""
    for level, colour in LEVELS.items():
        findings = report.of_level(level)
        if findings:
            console.print(_table_of_findings(findings, level, colour))
    for summary, others in _distinct(report.summary):
        places = ', '.join([summary.path, *others])
        line = f'{places}: {summary.samples} samples'
        if summary.files:
            line += f', {len(summary.files)} files'
        _say(console, f'\n{line}{_sizes_in_words(summary.sizes)}')
        console.print(_table_of_classes(summary))
    for path in report.uncounted:
        _say(console, f'\n{path}: no figures, its files cannot be read here')
    if report.duplicates:
        console.print(_table_of_duplicates(report.duplicates))
    _say(console, f'\n{_numbers(report)}')


def _table_of_duplicates(found: list[Duplicate]) -> Table:
    table = Table(title='Files of training in another phase')
    for heading in ('phase', 'file', 'in training', 'same'):
        table.add_column(heading, overflow='fold')
    phases: dict[tuple, list[str]] = {}
    for duplicate in found:
        key = (*duplicate.files[::-1], duplicate.same)
        phases.setdefault(key, []).append(duplicate.phases[1])
    for key, others in list(phases.items())[:SHOWN_DUPLICATES]:
        table.add_row(', '.join(others), *map(escape, map(str, key)))
    more = len(phases) - SHOWN_DUPLICATES
    if more > 0:
        table.add_row('', f'and {more} more', '', '')
    return table


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def _numbers(report: Report) -> str:
    counts = [(len(report.of_level(level)), level) for level in LEVELS]
    told = [f'{n} {level}{"s" if n > 1 else ""}' for n, level in counts if n]
    return ', '.join(told) or 'nothing wrong was found'


def _table_of_findings(
    findings: list[Finding], level: str, colour: str
) -> Table:
    table = Table(title=f'{level}s: {len(findings)}', show_lines=True)
    table.add_column('what', overflow='fold', style=colour, ratio=3)
    if any(f.mend for f in findings):
        table.add_column('what to do', overflow='fold', ratio=2)
    for finding in findings:
        cells = (finding.what, finding.mend)
        table.add_row(*map(escape, cells[: len(table.columns)]))
    return table


def _distinct(
    summaries: list[Summary],
) -> list[tuple[Summary, list[str]]]:
    """Data sets with different figures, and where else each one stands."""
    found: list[tuple[Summary, list[str]]] = []
    for summary in summaries:
        for other, places in found:
            if _figures(other) == _figures(summary):
                places.append(summary.path)
                break
        else:
            found.append((summary, []))
    return found


def _figures(summary: Summary) -> tuple:
    return summary.unit, summary.samples, summary.classes, summary.files


def _table_of_classes(summary: Summary) -> Table:
    table = Table()
    table.add_column('class', overflow='fold')
    table.add_column(summary.unit, justify='right')
    table.add_column('share', justify='right')
    table.add_column('', no_wrap=True)
    total = sum(summary.classes.values())
    largest = max(summary.classes.values(), default=0)
    for name, number in _shown_classes(summary.classes):
        if number is None:
            table.add_row(name)
            continue
        share = f'{number / total:.1%}' if total else ''
        bar = '#' * round(BAR * number / largest) if largest else ''
        table.add_row(escape(name), str(number), share, bar)
    return table


def _shown_classes(classes: dict[str, int]) -> list[tuple[str, int | None]]:
    if len(classes) <= MOST_CLASSES:
        return list(classes.items())
    ordered = sorted(classes.items(), key=lambda pair: -pair[1])
    half = MOST_CLASSES // 2
    left_out = f'... {len(classes) - MOST_CLASSES} classes between them ...'
    return [*ordered[:half], (left_out, None), *ordered[-half:]]


def _sizes_in_words(sizes: Counter) -> str:
    figures = _sizes(sizes)
    if figures is None:
        return ''
    if len(sizes) == 1:
        return '; all of {} x {} pixels'.format(*figures['min'])
    smallest, median, largest = (
        '{} x {}'.format(*figures[key]) for key in ('min', 'median', 'max')
    )
    text = f'; width x height {smallest} to {largest}, median {median}'
    common = ', '.join(
        '{} x {} ({} files)'.format(*entry['size'], entry['images'])
        for entry in figures['common']
        if entry['images'] > 1
    )
    return f'{text}, most often {common}' if common else text
