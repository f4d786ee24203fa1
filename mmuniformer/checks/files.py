"""Files and folders that a config names."""

from collections.abc import Iterator
from pathlib import Path

from mmuniformer.checks.data_sets import DataSet
from mmuniformer.checks.finding import Finding


def check_named(data_set: DataSet) -> Iterator[Finding]:
    """Looks whether a data set that cannot do without names its annotations.

    Args:
        data_set (DataSet): Its class may have a file of its own by default.
    """
    if not data_set.node.get('ann_file') and not data_set.own_defaults:
        yield Finding(
            f'{data_set.path} has no ann_file, and {data_set.name} reads its '
            'annotations from one',
            f'set {data_set.path}.ann_file',
            entry=f'{data_set.path}.ann_file',
        )


def check_prefix(data_set: DataSet) -> Iterator[Finding]:
    """Looks whether ``data_prefix`` is what mmdet and mmpose take."""
    prefix = data_set.node.get('data_prefix')
    place = f'{data_set.path}.data_prefix'
    if prefix is not None and not isinstance(prefix, dict):
        yield Finding(
            f'{place} is {prefix!r}, and no dict',
            f'set {place}=dict(img={prefix!r})',
            entry=place,
        )


def check_exists(place: Path, path: str, key: str) -> Iterator[Finding]:
    """Looks whether a part of a data set is there, and is what it should be.

    Args:
        place (Path): Where it should be.
        path (str): Dotted path of the data set in the config.
        key (str): The key that names the place, below ``path``: a prefix
            names a folder, all others a file.
    """
    what = unlike(place, key.startswith('data_prefix'))
    if what:
        yield Finding(
            f'{place} {what}',
            'put the data set there, link it, or say where it is in the '
            f'config ({path}.data_root, {path}.{key})',
            file=str(place),
            entry=f'{path}.{key}',
        )


def unlike(place: Path, is_folder: bool) -> str:
    """What is wrong with a place, in words; empty if it is as it should be.

    Args:
        place (Path): A file or folder of a data set.
        is_folder (bool): Which of both it should be.
    """
    if not place.exists():
        return 'does not exist'
    if place.is_dir() == is_folder:
        return ''
    return 'is a file, not a folder' if is_folder else 'is a folder'
