"""The table of the matrix, in a page."""

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from mmuniformer.hosts import HOSTS

BEGIN, END = '<!-- matrix: begin -->', '<!-- matrix: end -->'
PASSED = 'passed'


def write_table(page: Path, results: dict, names: list[str]) -> None:
    """Replaces what is between the marks of a page.

    Args:
        page (Path): The page.
        results (dict): What the JSON file holds.
        names (list[str]): The configs of the list.
    """
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = table(results, names)
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


def folder(name: str) -> str:
    """The method of a config, and in mmpose and mmaction2 the task's."""
    parts = name.partition('::')[2].split('/')
    return parts[parts[0].endswith(('keypoint', 'recognition'))]


def reason(told: dict) -> str:
    """Why a config did not pass, in one line of a table."""
    host = told.get('host')
    if host is None or host['step'] == PASSED:
        return in_a_cell(told)
    return f'with its own backbone too ({host["step"]}): {in_a_cell(host)}'


def in_a_cell(told: dict) -> str:
    """An error without what breaks a table."""
    return re.sub(r'\s+', ' ', told.get('error', '')).replace('|', '/')
