#!/usr/bin/env python
"""Writes what comes from the catalogue: tables of pages, and the model index.

    python tools/misc/write_tables.py

The table of docs/zoo.md, the results in README.md and configs/**/README.md
between their marks, and configs/**/metafile.yml. Change
mmuniformer/zoo/catalogue.yml, not these.

With ``--check``, writes nothing and fails if one of them is another one.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from result_tables import TABLES, lines, metafile

from mmuniformer import zoo
from mmuniformer.zoo.catalogue import collections

ROOT = Path(__file__).resolve().parents[2]
PLACES = {
    'openmmlab': 'OpenMMLab',
    'huggingface': 'Hugging Face',
    'google_drive': 'Google Drive',
}
TASKS = {
    'classification': 'Image classification',
    'detection': 'Detection and instance segmentation',
    'segmentation': 'Semantic segmentation',
    'pose': 'Human pose',
    'video': 'Video recognition',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--check', action='store_true')
    return parser.parse_args()


def weights() -> Iterator[str]:
    """Lines of docs/zoo.md."""
    for task, title in TASKS.items():
        yield f'### {title}'
        yield ''
        yield '| Name | Data | Architecture | Published | Files |'
        yield '| :-- | :-- | :-- | :-- | :-- |'
        for experiment in zoo.experiments():
            if experiment.task == task:
                yield _row(experiment)
        yield ''


def _row(experiment: zoo.Experiment) -> str:
    result = experiment.results[0]
    metric, value = next(iter(result.metrics.items()))
    files = [_link(file) for file in experiment.weights]
    cells = (
        f'[`{experiment.name}`](../{experiment.config})',
        result.dataset,
        f'{experiment.arch} ({experiment.head_dim})',
        f'{metric} {value}',
        ', '.join(files) or 'none',
    )
    return f'| {" | ".join(cells)} |'


def _link(file: zoo.Weights) -> str:
    words = PLACES[file.place]
    if file.repo is not None:
        words = file.repo
    return words if file.url is None else f'[{words}]({file.url})'


def between(text: str, name: str, lines: Iterator[str]) -> str:
    """A page with what stands between its two marks exchanged."""
    begin, end = f'<!-- begin: {name} -->\n', f'<!-- end: {name} -->\n'
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    table = '\n'.join(lines).rstrip()
    return f'{head}{begin}\n{table}\n\n{end}{tail}'


def pages() -> Iterator[tuple[Path, str]]:
    """Each page, and what it should be."""
    page = ROOT / 'docs' / 'zoo.md'
    yield page, between(page.read_text(), 'weights', weights())
    page = ROOT / 'README.md'
    # Takes seconds: after the arguments, which may be mistyped.
    import readme_results

    results = readme_results.lines()
    yield page, between(page.read_text(), 'results', results)
    for collection in collections():
        folder = collection['folder']
        page = ROOT / folder / 'README.md'
        text = page.read_text()
        for table in TABLES:
            if table.folder == folder:
                text = between(text, table.name, lines(table))
        yield page, text
        yield ROOT / folder / 'metafile.yml', metafile(collection)


def main(check: bool) -> int:
    stale = [
        (page, text) for page, text in pages() if page.read_text() != text
    ]
    for page, text in stale:
        if check:
            sys.stderr.write(
                f'{page.relative_to(ROOT)} is not what the catalogue has: '
                'run python tools/misc/write_tables.py\n'
            )
        else:
            page.write_text(text)
    return 1 if check and stale else 0


if __name__ == '__main__':
    sys.exit(main(parse_args().check))
