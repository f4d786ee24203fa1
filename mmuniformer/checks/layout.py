"""Whether a folder of data has the files that a test reads."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.checks.finding import Finding, few

# Keys of a data set, and of an evaluator, that name a file by themselves.
FILES = ('ann_file', 'bbox_file')


def check_layout(cfg: Config, data_root: str | Path) -> Iterator[Finding]:
    """Looks whether the files and folders of the test are there.

    Only that they are: what is in them is for the other checks.

    Args:
        cfg (Config): Its paths lead into ``data_root``.
        data_root (str or Path): The folder of all data sets, for the message.

    Yields:
        Finding: One, with all that is missing.
    """
    root = Path(data_root)
    if not root.is_dir():
        what = 'is a file' if root.exists() else 'does not exist'
        yield Finding(f'the data root {root} {what}', file=str(root))
        return
    needed = dict.fromkeys(_needed(cfg))
    missing = [path for path in needed if not Path(path).exists()]
    if missing:
        have = [path for path in needed if path not in missing]
        found = f'{len(have)} of {len(needed)} are there'
        yield Finding(
            f'{root} is not laid out as {cfg.filename} reads it: missing '
            f'{few(missing, 6)} ({found})',
            _above(root, needed) or f'docs/{_task(cfg)}.md shows the layout',
            file=missing[0],
        )


def _above(root: Path, needed: Iterable[str]) -> str | None:
    """What to do if the data root is the folder of one data set."""
    parent = Path(os.path.abspath(root)).parent
    there = [parent / os.path.relpath(path, root) for path in needed]
    if there and all(path.exists() for path in there):
        return f'{parent} is: give the folder of all data sets'
    return None


def _task(cfg: Config) -> str:
    """The folder of configs that it is of; pages are called the same."""
    parts = Path(cfg.filename).parts
    return parts[-parts[::-1].index('configs')]


def _needed(cfg: Config) -> Iterator[str]:
    dataset = cfg.test_dataloader.dataset
    root = dataset.get('data_root') or ''
    for path in _of_dataset(dataset):
        # As the libraries join them: an absolute path stays one, and a part
        # that begins with the root does, too.
        if not os.path.isabs(path) and not path.startswith(root):
            path = os.path.join(root, path)
        yield os.path.normpath(path)
    evaluators = cfg.test_evaluator
    for node in evaluators if isinstance(evaluators, list) else [evaluators]:
        for key in FILES:
            if isinstance(node.get(key), str):
                yield os.path.normpath(node[key])


def _of_dataset(dataset: dict[str, Any]) -> Iterator[str]:
    for key in FILES:
        if isinstance(dataset.get(key), str) and dataset[key]:
            yield dataset[key]
    prefix = dataset.get('data_prefix')
    if isinstance(prefix, dict):
        yield from (part for part in prefix.values() if part)
    elif prefix:
        yield prefix
    elif dataset.get('split'):
        # mmpretrain's ImageNet has a folder for each split.
        yield dataset['split']
