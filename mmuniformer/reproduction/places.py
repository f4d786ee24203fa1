"""Where configs are, in a checkout and in an installed package."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def root() -> Path:
    """The folder that has ``configs``: of a checkout, or of the package."""
    checkout = PACKAGE.parent
    if (checkout / 'configs').is_dir():
        return checkout
    return PACKAGE / '.mim'
