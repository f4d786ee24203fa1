"""Replacing a function of another package, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

# Names of the workarounds that a function has passed through. ``wraps`` copies
# the attribute, so that it is still found where others wrap the function.
_MARK = '__replaced_by__'


def replace_once(
    owner: Any, name: str, make: Callable[[Callable], Callable], *, by: str
) -> bool:
    """Replaces a function by what is made from it, unless that was done.

    ``__wrapped__`` cannot tell: decorators of the package itself set it.

    Args:
        owner (type or ModuleType): Where the function stands.
        name (str): Its name there; a class or static method stays one.
        make (Callable): Called with the function, returns what replaces it.
        by (str): The workaround, ``__name__`` of its module. Another one may
            replace the same function.

    Returns:
        bool: Whether it was replaced now.
    """
    found = inspect.getattr_static(owner, name)
    original = getattr(found, '__func__', found)
    if is_replaced(original, by=by):
        return False
    made = wraps(original)(make(original))
    setattr(made, _MARK, (*getattr(original, _MARK, ()), by))
    setattr(owner, name, made if found is original else type(found)(made))
    return True


def is_replaced(function: Callable, *, by: str) -> bool:
    """Whether a workaround has replaced a function.

    Args:
        function (Callable): As it is found now.
        by (str): The workaround, ``__name__`` of its module.
    """
    return by in getattr(function, _MARK, ())
