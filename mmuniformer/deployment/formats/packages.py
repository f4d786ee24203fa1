"""Packages that only exported files need."""

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
