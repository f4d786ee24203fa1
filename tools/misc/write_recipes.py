#!/usr/bin/env python
"""Writes docs/recipes.md: what each published recipe does, and what holds it.

    python tools/misc/write_recipes.py

From the configs, the model index and the table in ``recipe_behaviours.py``.
With ``--check``, writes nothing and fails if the page is another one.
"""

import argparse
import sys
from collections.abc import Iterator
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

import modelindex  # noqa: E402
from mmengine import Config  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))
from recipe_behaviours import (  # noqa: E402
    BEHAVIOURS,
    DEVIATIONS,
    OFFICIAL,
    TESTED,
    tested,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/recipes.md'
TITLES = {
    'classification': 'Image classification',
    'detection': 'Detection and instance segmentation',
    'segmentation': 'Semantic segmentation',
    'pose': 'Human pose',
    'video': 'Video recognition',
}
# A behaviour of a task is its letter, a number and one for each variant.
LETTERS = {
    'classification': 'C',
    'detection': 'D',
    'segmentation': 'S',
    'pose': 'P',
    'video': 'V',
}
HEAD = """\
# What the published recipes do

<!-- By tools/misc/write_recipes.py: change its table, not this page. -->

A config is right when it does what the official code did, not when its
options have the same names. This page says for each of the {number} published
experiments what its config does, where that is known from, what still differs
and why; each line names the tests that hold it. Values such as drop path
rates and batch sizes are in the configs, and compared one by one with those
of the official experiments by `tests/test_configs/`.

- [Experiments](#experiments): which of the behaviours each has
- {links}
- [Deviations](#deviations)

Sources: *official code*, what it executes; *inferred*, what it most likely
did where the release does not run.
"""


def experiments() -> dict[str, tuple[str, Config, str]]:
    """Task, config and the config's file by official id."""
    found = {}
    for entry in modelindex.load(str(ROOT / 'model-index.yml')).models:
        if 'Official' in entry.metadata.data:
            task = entry.config.split('/')[1]
            cfg = Config.fromfile(ROOT / entry.config)
            found[entry.metadata.data['Official']] = task, cfg, entry.config
    return found


def variants(task: str, found: dict) -> Iterator[tuple]:
    """Number, name, sentence, source, tests and experiments of each."""
    number = 0
    for behaviour in BEHAVIOURS:
        if behaviour.task != task:
            continue
        number += 1
        by_sentence = {}
        for experiment, (of, cfg, _) in found.items():
            if of == task:
                said = behaviour.say(cfg)
                said = said if isinstance(said, tuple) else (said, OFFICIAL)
                by_sentence.setdefault(said, []).append(experiment)
        for i, ((sentence, source), same) in enumerate(by_sentence.items()):
            code = f'{LETTERS[task]}{number}'
            if len(by_sentence) > 1:
                code += f'.{i + 1}'
            yield code, behaviour, sentence, source, same


def holders(tests: list[str]) -> str:
    """Names of tests as links to their files."""
    return ', '.join(
        '[{1}](../{0})'.format(*test.split('::')) for test in tests
    )


def write(found: dict) -> str:
    """The page."""
    links = '\n- '.join(
        f'[{title}](#{title.lower().replace(" ", "-")})'
        for title in TITLES.values()
    )
    lines = [HEAD.format(number=len(found), links=links)]
    codes = {experiment: [] for experiment in found}
    tables = []
    for task, title in TITLES.items():
        tables += [f'## {title}', '']
        tables += ['| | What | Does | From | Held by |']
        tables += ['| :-- | :-- | :-- | :-- | :-- |']
        for code, behaviour, sentence, source, same in variants(task, found):
            for experiment in same:
                codes[experiment].append(code)
            tables.append(
                f'| {code} | {behaviour.name} | {sentence} | {source} | '
                f'{holders(behaviour.tests)} |'
            )
        tables.append('')
    lines += ['## Experiments', '']
    lines += [f'The checkpoint that is tested is held by {holders(TESTED)}.']
    lines += ['', '| Experiment | Config | Tested | Does | Deviates |']
    lines += ['| :-- | :-- | :-- | :-- | :-- |']
    rows, marks = [], {}
    for i, deviation in enumerate(DEVIATIONS):
        marks[i] = f'X{i + 1}'
        rows.append(
            f'| {marks[i]} | {TITLES[deviation.task]} | {deviation.name} | '
            f'{deviation.official} | {deviation.here} | {deviation.size} | '
            f'{deviation.reason} | {holders(deviation.tests)} |'
        )
    for experiment, (task, cfg, path) in found.items():
        deviates = [
            marks[i]
            for i, deviation in enumerate(DEVIATIONS)
            if deviation.task == task and deviation.concerns(cfg)
        ]
        lines.append(
            f'| `{experiment}` | [config](../{path}) | {tested(cfg)} | '
            f'{" ".join(codes[experiment])} | {" ".join(deviates) or "-"} |'
        )
    lines += ['', *tables, '## Deviations', '']
    lines += ['| | Task | What | Official | Here | Size | Why | Held by |']
    lines += ['| :-- | :-- | :-- | :-- | :-- | :-- | :-- | :-- |', *rows]
    return '\n'.join(lines) + '\n'


def main(check: bool) -> int:
    text = write(experiments())
    if not check:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.stderr.write(
            f'{PAGE.relative_to(ROOT)} is not what the configs do: run '
            'python tools/misc/write_recipes.py\n'
        )
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(arguments.check))
