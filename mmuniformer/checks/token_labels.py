"""Label maps of token labeling."""

import os
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from mmengine.config import Config

from mmuniformer.checks.data_sets import DataSet, data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.images import summary
from mmuniformer.checks.lists.reading import told
from mmuniformer.nodes import type_name, walk

FORMAT = 'two maps for each of k classes (2, k, h, w): scores, then classes'
MAKER = 'tools/dataset_tools/make_token_labels.py makes those of a data set'


def token_label_path(label_root: str | Path, img_path: str | Path) -> Path:
    """Where the label map of an image is, as LV-ViT has it.

    Args:
        label_root (str or Path): Folder of all label maps.
        img_path (str or Path): The image, in the folder of its class.

    Returns:
        Path: ``<label_root>/<folder>/<name up to its first dot>.pt``.
    """
    img_path = Path(img_path)
    name = img_path.name.partition('.')[0]
    return Path(label_root) / img_path.parent.name / f'{name}.pt'


def check_token_labels(
    cfg: Config, phases: Collection[str]
) -> Iterator[Finding]:
    """Looks for the label maps of a config, and at their number of classes.

    What is in them is looked at as they are read.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    head = (cfg.get('model') or {}).get('head')
    number = head.get('num_classes') if isinstance(head, dict) else None
    for data_set in data_sets(cfg, phases):
        pipeline = data_set.node.get('pipeline') or ()
        for path, node in walk(pipeline, f'{data_set.path}.pipeline'):
            if type_name(node) != 'LoadTokenLabel':
                continue
            own = node.get('num_classes')
            if type_name(head) == 'TokenLabelHead' and own not in (
                None,
                number,
            ):
                yield Finding(
                    f'model.head.num_classes is {number}, and '
                    f'{path}.num_classes is {own}',
                    'set both to the number of classes that the label maps '
                    'are made with',
                    entry=f'{path}.num_classes',
                )
            yield from _check_root(data_set, path, node.get('label_root'))


def _check_root(
    data_set: DataSet, path: str, root: str | None
) -> Iterator[Finding]:
    if not isinstance(root, str) or '://' in root:
        return
    entry = f'{path}.label_root'
    if not os.path.isdir(root):
        yield Finding(
            f'{root} does not exist, the folder of the label maps',
            f'set {entry}; {MAKER}',
            root,
            entry,
        )
        return
    # Of some of the images alone, others need no map.
    part = data_set.node.get('indices') is not None
    found = None if part else summary(data_set)
    if found is None:
        return
    files = [str(file) for file in found.files]
    missing = _without_map(files, root)
    if missing:
        more = ''
        if missing[1:]:
            more = (
                f'; {len(missing) - 1} more of {len(files)} have none: '
                f'{told(missing[1:])}'
            )
        yield Finding(
            f'{missing[0]} has no label map: '
            f'{token_label_path(root, missing[0])} does not exist{more}',
            MAKER,
            missing[0],
            entry,
        )


def _without_map(files: Sequence[str], root: str) -> list[str]:
    """Images without a label map; each folder is listed once."""

    @cache
    def maps(folder: str) -> set[str]:
        try:
            return set(os.listdir(os.path.join(root, folder)))
        except OSError:
            return set()

    missing = []
    for file in files:
        folder, name = os.path.split(file)
        name = f'{name.partition(".")[0]}.pt'
        if name not in maps(os.path.basename(folder)):
            missing.append(file)
    return missing


def check_token_label(
    content: object, path: str, num_classes: int | None = None
) -> Iterator[Finding]:
    """Looks whether what a file holds is a label map.

    Args:
        content (object): As it was read.
        path (str): The file.
        num_classes (int, optional): Classes are below this number.
    """
    if not isinstance(content, torch.Tensor):
        yield Finding(
            f'{path} holds a {type(content).__name__}: a label map is a '
            f'tensor of {FORMAT}',
            file=path,
        )
        return
    if content.ndim != 4 or len(content) != 2 or 0 in content.shape:
        shape = ' x '.join(map(str, content.shape)) or 'one number'
        yield Finding(
            f'{path} is of {shape}: a label map is {FORMAT}', file=path
        )
        return
    scores, classes = content.double()
    if not scores.isfinite().all():
        yield Finding(
            f'{path} has scores that are no finite numbers', file=path
        )
    wrong = (classes < 0) | (classes != classes.floor())
    if num_classes is not None:
        wrong |= classes >= num_classes
    if wrong.any():
        limit = 'whole numbers from 0'
        if num_classes is not None:
            limit += f' to {num_classes - 1}'
        yield Finding(
            f'{path} has the class {classes[wrong][0].item():g}: classes are '
            f'{limit}',
            'scores come first in the tensor, classes second',
            file=path,
        )
