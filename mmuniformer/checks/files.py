"""Files and folders that a config names."""

from collections.abc import Iterator
from pathlib import Path

from mmuniformer.checks.finding import Finding


def check_exists(place: Path, path: str, key: str) -> Iterator[Finding]:
    """Looks whether a part of a data set is there.

    Args:
        place (Path): Where it should be.
        path (str): Dotted path of the data set in the config.
        key (str): The key that names the place, below ``path``.
    """
    if not place.exists():
        yield Finding(
            f'{place} does not exist',
            'put the data set there, link it, or say where it is in the '
            f'config ({path}.data_root, {path}.{key})',
            file=str(place),
            entry=f'{path}.{key}',
        )
