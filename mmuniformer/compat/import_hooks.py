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

ExecModule = Callable[[ModuleType], None]
Around = Callable[[ExecModule, ModuleType], None]


class HookFinder:
    """Wraps the loading of chosen modules that other finders find."""

    def __init__(self) -> None:
        # Those of a module by what they are made from, the last outermost.
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
            # A loader without attributes of its own cannot be wrapped: the
            # module is then loaded without the workaround.
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
    """Has ``hook(exec_module, module)`` load the module ``name``.

    A module may have several. Of one that is made anew in each call, say
    what it is ``made_from``: it then takes the place of the one before.
    """
    _FINDER.hooks.setdefault(name, {})[made_from or hook] = hook
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def after_import(name: str, patch: Callable[[ModuleType], None]) -> None:
    """Calls ``patch(module)`` once ``name`` is imported, or now if it is.

    A patch that fails is reported as a warning: the library is then as it
    would be without this package.
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
