"""Versions of installed packages, without importing them."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import version as distribution_version
from importlib.util import find_spec


@cache
def _distributions() -> dict[str, list[str]]:
    return packages_distributions()


def installed(module: str) -> str:
    """Version of what provides a top-level module; '' if nothing does.

    Args:
        module (str): Name of the module, not of a distribution: mmcv may come
            from ``mmcv``, ``mmcv-lite`` or a fork of another name.
    """
    for name in _distributions().get(module, ()):
        try:
            return distribution_version(name)
        except PackageNotFoundError:
            continue
    return 'unknown' if find_spec(module) else ''


def distribution(module: str) -> str:
    """Names of the distributions that provide a module, '' if none does.

    Args:
        module (str): Name of the top-level module.
    """
    return ', '.join(sorted(set(_distributions().get(module, ()))))


def release(version: str) -> tuple[int, int]:
    """Major and minor number of a version.

    Args:
        version (str): Such as ``2.14.1+cu130``.
    """
    numbers = [int(number) for number in re.findall(r'\d+', version)]
    major, minor = [*numbers, 0, 0][:2]
    return major, minor
