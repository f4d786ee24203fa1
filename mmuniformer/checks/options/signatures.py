"""What a class or function takes by name, and which one a config names."""

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from mmengine.registry import DefaultScope, Registry, root

# What a build takes from any dict that names a class.
OF_BUILDING = frozenset(('type', '_scope_', '_delete_'))


@dataclass(frozen=True)
class Arguments:
    """What may be given by name.

    Attributes:
        names (frozenset[str]): Those that are known.
        open (bool): Whether others may be taken too (``**kwargs`` that go
            where nobody sees).
    """

    names: frozenset[str] = field(default=frozenset())
    open: bool = False

    def __or__(self, other: 'Arguments') -> 'Arguments':
        return Arguments(self.names | other.names, self.open or other.open)


def registries() -> list[Registry]:
    """The registries of mmengine, of which those of a library are children.

    And those of the active scope's library that have no parent.
    """
    found = [v for v in vars(root).values() if isinstance(v, Registry)]
    library = _import_registries(_active_scope())
    own = vars(library).values() if library is not None else ()
    return found + [
        v for v in own if isinstance(v, Registry) and v.parent is None
    ]


def registered(kind: Any, registry: Registry) -> Any:
    """The class or function that a ``type`` stands for.

    Args:
        kind (Any): The value of ``type``: a name, or what it stands for.
        registry (Registry): One of mmengine's. The registry of the active
            scope is asked, as a build from a config does.

    Returns:
        Any: None if there is none of that name.
    """
    if not isinstance(kind, str):
        return kind
    own = registry.children.get(_active_scope(), registry)
    try:
        return own.get(kind)
    # A name whose scope or module is not there, or does not import.
    except (
        AttributeError,
        ImportError,
        LookupError,
        RuntimeError,
        ValueError,
    ):
        return None


def _active_scope() -> str:
    """Name of the default scope, whose registries are there after this."""
    instance = DefaultScope.get_current_instance()
    scope = instance.scope_name if instance is not None else 'mmengine'
    _import_registries(scope)
    return scope


@cache
def _import_registries(scope: str) -> ModuleType | None:
    """The module of a library's registries."""
    # A library that is not there is told about elsewhere.
    with contextlib.suppress(ImportError):
        return import_module(f'{scope}.registry')
    return None


def anywhere(kind: Any) -> list[Any]:
    """What a ``type`` may stand for in any registry."""
    if not isinstance(kind, str):
        return [kind] if callable(kind) else []
    found = []
    for registry in registries():
        one = registered(kind, registry)
        if callable(one) and one not in found:
            found.append(one)
    return found


@cache
def arguments(built: Callable) -> Arguments:
    """Arguments of a class with those that it passes on to its bases.

    Args:
        built (Callable): A class or a function.
    """
    if not inspect.isclass(built):
        return _of_function(built)[0]
    found = Arguments()
    for parent in built.__mro__[:-1]:
        if '__init__' not in vars(parent):
            continue
        own, passed_on = _of_function(vars(parent)['__init__'])
        found |= own
        if not passed_on:
            return found
    # It ends at object, which takes nothing: what was passed on to it was
    # meant for something else, unless there is no constructor at all.
    has_own = any('__init__' in vars(p) for p in built.__mro__[:-1])
    return Arguments(found.names, open=found.open or has_own)


def _of_function(function: Callable) -> tuple[Arguments, bool]:
    """Arguments, and whether further ones go to the next constructor."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return Arguments(open=True), False
    names = {
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    } - {'self'}
    rest = [p.name for p in parameters if p.kind == p.VAR_KEYWORD]
    if not rest:
        return Arguments(frozenset(names)), False
    taken, passed_on, elsewhere = _uses(function, rest[0])
    return Arguments(frozenset(names | taken), elsewhere), passed_on


def _uses(function: Callable, name: str) -> tuple[set[str], bool, bool]:
    """How a function uses its ``**name``.

    Returns:
        tuple[set[str], bool, bool]: The keys that it takes from it; whether
        it is passed to the constructor of a base; whether it goes elsewhere.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return set(), True, True
    taken: set[str] = set()
    passed_on = elsewhere = False
    understood = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg is None and _is(keyword.value, name):
                    understood.add(id(keyword.value))
                    if _is_constructor(node.func):
                        passed_on = True
                    else:
                        elsewhere = True
            taken |= _taken_by_call(node, name, understood)
        elif isinstance(node, ast.Subscript) and _is(node.value, name):
            if isinstance(node.slice, ast.Constant):
                understood.add(id(node.value))
                if isinstance(node.ctx, ast.Load):
                    taken.add(node.slice.value)
        elif isinstance(node, ast.Compare):
            left, (right, *_) = node.left, node.comparators
            if _is(right, name) and isinstance(left, ast.Constant):
                understood.add(id(right))
                taken.add(left.value)
    loads = [n for n in ast.walk(tree) if _is(n, name)]
    if any(id(node) not in understood for node in loads):
        elsewhere = True
    return taken, passed_on, elsewhere


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_constructor(function: ast.AST) -> bool:
    """``super().__init__`` or ``Base.__init__``."""
    return isinstance(function, ast.Attribute) and function.attr == '__init__'


def _taken_by_call(call: ast.Call, name: str, understood: set) -> set[str]:
    """The key of ``kwargs.get('key')`` and the like."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return set()
    if not _is(function.value, name) or not call.args:
        return set()
    key = call.args[0]
    if function.attr not in ('get', 'pop', 'setdefault'):
        return set()
    if not isinstance(key, ast.Constant):
        return set()
    understood.add(id(function.value))
    return {key.value} if function.attr != 'setdefault' else set()
