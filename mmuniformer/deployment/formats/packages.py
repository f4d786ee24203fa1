"""Packages that only exported files need."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from mmuniformer.errors import UserError


def need(*packages: str) -> None:
    """Looks whether packages are installed.

    Raises:
        UserError: If one is not; the message has what to type.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        verb = 'is' if len(missing) == 1 else 'are'
        raise UserError(
            f'{", ".join(missing)} {verb} not installed; type '
            "pip install 'mmuniformer[export]'"
        )


@contextmanager
def unreported() -> Iterator[None]:
    """Has OpenVINO and NNCF tell nobody that they are used.

    Their Python parts send it to their makers, and ask nobody, except in
    continuous integration.
    """
    names = dict(CI='true', NNCF_CI='1')
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
