"""Acting when another package is imported, without importing it.

``import mmuniformer`` must stay quick and must not fail for a library that
is not installed, so a workaround waits until its library is imported.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ExecModule = Callable[[ModuleType], None]
Around = Callable[[ExecModule, ModuleType], None]


class HookFinder:
    """Finds modules by the other finders, and wraps their loading."""

    def __init__(self) -> None:
        # Of every module its hooks, each by the function it was made from;
        # the last hook is the outermost.
        self.hooks: dict[str, dict[Callable, Around]] = {}

    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        hooks = self.hooks.get(fullname)
        if hooks is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is None:
                continue
            # A loader that takes no attribute cannot be wrapped: its module
            # is loaded without the workaround.
            with contextlib.suppress(AttributeError):
                for hook in hooks.values():
                    spec.loader.exec_module = partial(
                        hook, spec.loader.exec_module
                    )
            return spec
        return None


_FINDER = HookFinder()


def around_import(
    name: str, hook: Around, made_from: Callable | None = None
) -> None:
    """Has a hook load a module, in place of the module's loader.

    A module may have several hooks.

    Args:
        name (str): Full name of the module.
        hook (Callable): Called as ``hook(exec_module, module)``, where
            ``exec_module(module)`` loads the module.
        made_from (Callable, optional): For a hook that is a new function in
            every call: what the hook was made from. A hook made from the same
            function takes the place of the earlier hook.
    """
    _FINDER.hooks.setdefault(name, {})[made_from or hook] = hook
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def after_import(name: str, patch: Callable[[ModuleType], None]) -> None:
    """Calls a patch when a module has been imported; now, if it has been.

    A patch that fails is reported as a warning: the library is then as it
    would be without this package.

    Args:
        name (str): Full name of the module.
        patch (Callable): Called with the module.
    """

    def hook(exec_module: ExecModule, module: ModuleType) -> None:
        exec_module(module)
        _guarded(patch, module)

    if name in sys.modules:
        _guarded(patch, sys.modules[name])
    else:
        around_import(name, hook, made_from=patch)


def _guarded(patch: Callable[[ModuleType], None], module: ModuleType) -> None:
    try:
        patch(module)
    except Exception as error:
        warnings.warn(
            f'{patch.__module__} could not patch {module.__name__}: {error!r}',
            stacklevel=2,
        )


def ask_last(finder: Any) -> None:
    """Has the import system ask a finder after all others.

    Args:
        finder (Any): An object with ``find_spec``; only asked once, however
            often it is given.
    """
    if finder not in sys.meta_path:
        sys.meta_path.append(finder)
