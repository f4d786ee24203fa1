"""What a workaround reports about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal['active', 'not needed', 'missing', 'broken']


@dataclass(frozen=True)
class Status:
    """State of one workaround in this environment.

    Attributes:
        name (str): The defect, in a few words.
        state (str): 'active' (the workaround is in use), 'not needed' (the
            defect is not there), 'missing' (a package is not installed) or
            'broken' (the user has to do something).
        message (str): One line on what was found.
        remedy (str): What to type; empty if there is nothing to do here.
    """

    name: str
    state: State
    message: str
    remedy: str = ''
