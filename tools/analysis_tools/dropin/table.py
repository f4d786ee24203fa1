"""The table of the matrix, in a page."""

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from mmuniformer.hosts import HOSTS

BEGIN, END = '<!-- matrix: begin -->', '<!-- matrix: end -->'
PASSED, TIED = 'passed', 'tied'


def write_table(
    page: Path, results: dict, names: list[str], refused: list[str]
) -> None:
    """Replaces what is between the marks of a page.

    Args:
        page (Path): The page.
        results (dict): What the JSON file holds.
        names (list[str]): The configs of the list.
        refused (list[str]): Those without a backbone for pictures.
    """
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [*table(results, names), *table_of_refused(results, refused)]
    page.write_text('\n'.join([before + BEGIN, '', *lines, '', END]) + after)


def table(results: dict, names: list[str]) -> list[str]:
    """Numbers of each library, what passed, and why the others did not."""
    known = results['configs']
    tried = [name for name in names if name in known]
    versions = results['versions']
    told = ', '.join(f'{k} {v}' for k, v in versions.items())
    lines = [
        f'{results["date"]}, {told}: {len(tried)} of the '
        f'{len(names)} configs of the list.',
        '',
    ]
    lines += ['| library | tried | passed | no |', '|---|--:|--:|--:|']
    counts: Counter = Counter()
    for library in HOSTS:
        own = [name for name in tried if name.startswith(f'{library}::')]
        passed = [name for name in own if known[name]['step'] == PASSED]
        row = (len(own), len(passed), len(own) - len(passed))
        counts.update(dict(zip(('tried', 'passed', 'no'), row, strict=True)))
        lines.append(f'| {library} | {row[0]} | {row[1]} | {row[2]} |')
    total = ' | '.join(str(counts[key]) for key in ('tried', 'passed', 'no'))
    lines += [f'| all | {total} |', '']
    lines += ['| no | where | why |', '|---|---|---|']
    for name in tried:
        told = known[name]
        if told['step'] != PASSED:
            lines.append(f'| `{name}` | {told["step"]} | {reason(told)} |')
    lines += ['', '| passed, by folder | configs |', '|---|---|']
    passed = [name for name in tried if known[name]['step'] == PASSED]
    for library, own in groupby(passed, lambda name: name.split('::')[0]):
        folders = Counter(folder(name) for name in own)
        cells = ', '.join(
            f'{key} ({count})' if count > 1 else key
            for key, count in sorted(folders.items())
        )
        lines.append(f'| {library} | {cells} |')
    return lines


def table_of_refused(results: dict, names: list[str]) -> list[str]:
    """What was said of configs that have no backbone for pictures."""
    known = results['configs']
    lines = [
        '',
        'Not counted above: models that read no pictures, or hide patches '
        'from a transformer of their own. They are to be refused by name.',
        '',
        '| config | what is said |',
        '|---|---|',
    ]
    for name in names:
        if name in known:
            told = known[name]
            refused = told['step'] == TIED
            said = reason(told) if refused else f'not refused: {told["step"]}'
            lines.append(f'| `{name}` | {said} |')
    return lines if any(name in known for name in names) else []


def folder(name: str) -> str:
    """The method of a config, and in mmpose and mmaction2 the task's."""
    parts = name.partition('::')[2].split('/')
    return (
        parts[1]
        if parts[0].endswith(('keypoint', 'recognition'))
        else (parts[0])
    )


def reason(told: dict) -> str:
    """Why a config did not pass, in one line of a table."""
    error, host = in_a_cell(told), told.get('host')
    if host is None or host['step'] == PASSED:
        return error
    return f'with its own backbone too ({host["step"]}): {in_a_cell(host)}'


def in_a_cell(told: dict) -> str:
    """The error of a trial, without what ends a cell of a table."""
    return re.sub(r'\s+', ' ', told['error']).replace('|', '/')
