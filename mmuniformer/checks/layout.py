"""Whether a folder of data has the files that a test reads."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmuniformer.checks.data_sets import evaluators
from mmuniformer.checks.files import unlike
from mmuniformer.checks.finding import Finding, few

# Keys of a data set, and of an evaluator, that name a file by themselves.
FILES = ('ann_file', 'bbox_file')


class Needed(NamedTuple):
    """A part of a data set that a test reads."""

    path: str
    is_folder: bool


def check_layout(cfg: Config, data_root: str | Path) -> Iterator[Finding]:
    """Looks whether the files and folders of the test are there.

    Only that they are, and which is which: what is in them is for the other
    checks.

    Args:
        cfg (Config): Its paths lead into ``data_root``.
        data_root (str or Path): The folder of all data sets, for the message.

    Yields:
        Finding: One with all that is missing, and one for each file in the
        place of a folder, or the other way round.
    """
    root = Path(data_root)
    if not root.is_dir():
        what = 'is a file' if root.exists() else 'does not exist'
        yield Finding(f'the data root {root} {what}', file=str(root))
        return
    parts = needed(cfg)
    paths = [part.path for part in parts]
    missing = [path for path in paths if not Path(path).exists()]
    if missing:
        found = f'{len(paths) - len(missing)} of {len(paths)} are there'
        yield Finding(
            f'{root} is not laid out as {cfg.filename} reads it: missing '
            f'{few(missing, 6)} ({found})',
            _above(root, paths) or f'docs/{_task(cfg)}.md shows the layout',
            file=missing[0],
        )
    for part in parts:
        what = unlike(Path(part.path), part.is_folder)
        if what and part.path not in missing:
            yield Finding(
                f'{part.path} {what}',
                f'docs/{_task(cfg)}.md shows the layout',
                file=part.path,
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


def needed(cfg: Config) -> list[Needed]:
    """The files and folders of a test, each once.

    Args:
        cfg (Config): One of this project's configs.
    """
    return list(dict.fromkeys(_needed(cfg)))


def _needed(cfg: Config) -> Iterator[Needed]:
    dataset = cfg.test_dataloader.dataset
    root = dataset.get('data_root') or ''
    for path, is_folder in _of_dataset(dataset):
        # As the libraries join them: an absolute path stays one, and a part
        # that begins with the root does, too.
        if not os.path.isabs(path) and not path.startswith(root):
            path = os.path.join(root, path)
        yield Needed(os.path.normpath(path), is_folder)
    for _, _, node in evaluators(cfg, ('test',)):
        for key in FILES:
            if isinstance(node.get(key), str):
                yield Needed(os.path.normpath(node[key]), False)


def _of_dataset(dataset: dict[str, Any]) -> Iterator[Needed]:
    for key in FILES:
        if isinstance(dataset.get(key), str) and dataset[key]:
            yield Needed(dataset[key], False)
    prefix = dataset.get('data_prefix')
    if isinstance(prefix, dict):
        yield from (Needed(part, True) for part in prefix.values() if part)
    elif prefix:
        yield Needed(prefix, True)
    elif dataset.get('split'):
        # mmpretrain's ImageNet has a folder for each split, and may have a
        # list that it finds by itself.
        split = dataset['split']
        yield Needed(split, True)
        found = os.path.join('meta', f'{split}.txt')
        if os.path.exists(os.path.join(dataset.get('data_root', ''), found)):
            yield Needed(found, False)
