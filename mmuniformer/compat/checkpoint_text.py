"""The config text in a checkpoint: data, which mmengine would run.

mmengine writes the config of a run into its checkpoints as a Python text, and
``Runner.resume`` and the Inferencers run that text again. Here it is parsed
first, and only assignments of literals, of ``dict(...)`` and of containers of
both are let through: what ``Config.dump`` writes. What they name is looked at
besides: mmengine would import a ``_base_``, ``custom_imports``, and any
function that a ``type`` names by its path.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

# Where mmengine's checkpoints have one.
PLACES = (
    ('meta', 'cfg'),
    ('meta', 'config'),
    ('message_hub', 'runtime_info', 'cfg'),
)
_LONGEST = 1 << 23  # characters; the longest config of mmdet has 100,000
# What mmengine replaces in a text before it runs it: quotes in a string may
# end it after that, and the rest of the string is code.
_REPLACED = re.compile(
    r'\{\{[\'"]?\s*(\$\w|_base_\s*\.|file(Dirname|Basename|Extname))'
)
# Keys of names that mmengine builds from, besides those that end in `type`.
_NAMES = ('type', 'collate_fn', 'constructor')
# Keys of text that a library evaluates: the warp of mmdet's tracking, the type
# of numbers in mmpretrain's wrappers of torchvision.
_EVALUATED = ('dtype', 'warp_mode')
_WORDS = re.compile(r'[\w.]*')
_UNREGISTERED = re.compile(r'[\w/+ -]*')  # mmcv evaluates the type of an NMS
# Keys of packages of which mmengine imports the registry.
_SCOPES = ('_scope_', 'default_scope')
# Functions of torch that configs name and nobody registers.
_FUNCTIONS = (
    'torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',
    'torch.distributed.fsdp.wrap.transformer_auto_wrap_policy',
)
# Packages that a text may have imported.
_LIBRARIES = (
    'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpose', 'mmaction', 'mmpretrain',
    'mmuniformer',
)  # fmt: skip


def check_texts(content: Any) -> None:
    """Looks at the config texts of a checkpoint.

    Args:
        content (Any): What the file holds.

    Raises:
        ValueError: With the place and the line of what is no plain data.
    """
    for place in PLACES:
        text = content
        for key in place:
            # The file may have put a `get` of its own on a mapping.
            text = dict.get(text, key) if isinstance(text, dict) else None
        if isinstance(text, str):
            try:
                check_text(text)
            except ValueError as error:
                raise ValueError(f'{".".join(place)}, {error}') from error


def check_text(text: str) -> None:
    """Looks at one config text.

    Raises:
        ValueError: Naming the line, if it is more than plain data.
    """
    if len(text) > _LONGEST:
        raise ValueError(f'of {len(text)} characters, is no config')
    replaced = _REPLACED.search(text)
    if replaced:
        line = text.count('\n', 0, replaced.start()) + 1
        raise ValueError(f'line {line}: it has {replaced[0]!r}, a variable')
    try:
        statements = ast.parse(text).body
        for statement in statements:
            _check_statement(statement)
    except (SyntaxError, RecursionError, MemoryError) as error:
        line = getattr(error, 'lineno', None) or 1
        raise ValueError(f'line {line}: it is no config') from error


def read_text(text: str) -> dict[str, Any]:
    """Reads one config text without running it.

    Raises:
        ValueError: Naming the line, if it is more than plain data.
    """
    check_text(text)
    content: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        value = _value(statement.value)
        content.update((target.id, value) for target in statement.targets)
    return content


def _value(node: ast.expr) -> Any:
    """The value of an expression that :func:`_plain` lets through."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs}
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_value(entry) for entry in node.elts)
    if isinstance(node, ast.Call):
        kind = {'dict': dict, 'set': set}[node.func.id]
        content = kind(*map(_value, node.args))
        if node.keywords:
            content.update((k.arg, _value(k.value)) for k in node.keywords)
        return content
    return ast.literal_eval(node)


def _check_statement(node: ast.stmt) -> None:
    if not isinstance(node, ast.Assign) or not all(
        isinstance(target, ast.Name) for target in node.targets
    ):
        raise _error(node, 'a statement other than NAME = VALUE')
    for target in node.targets:
        if target.id in ('_base_', '_scope_'):
            raise _error(node, f"'{target.id}', which names another file")
        if target.id == 'custom_imports':
            _check_imports(node)
        _check_entry(target.id, node.value)
    for part in _plain(node.value):
        _check_types(part)


def _plain(node: ast.expr) -> Iterator[ast.expr]:
    """The literals and containers of a value; an error at anything else."""
    yield node
    if isinstance(node, ast.Constant):
        return
    if isinstance(node, ast.UnaryOp) and isinstance(
        node.op, ast.USub | ast.UAdd
    ):
        parts = [node.operand]
        if not isinstance(node.operand, ast.Constant):
            raise _error(node, 'an expression')
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = node.elts
    elif isinstance(node, ast.Dict) and None not in node.keys:
        parts = [*node.keys, *node.values]
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ('dict', 'set')
        # Pairs would be keys that nobody looks at.
        and (not node.args or _is_content(node))
        and all(keyword.arg for keyword in node.keywords)
    ):
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
    else:
        raise _error(node, 'more than literals, dict(...) and containers')
    for part in parts:
        yield from _plain(part)


def _is_content(node: ast.Call) -> bool:
    kind = ast.Dict if node.func.id == 'dict' else ast.List | ast.Tuple
    return len(node.args) == 1 and isinstance(node.args[0], kind)


def _items(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Call):
        yield from ((k.arg or '', k.value) for k in node.keywords)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def _check_types(node: ast.expr) -> None:
    for key, value in _items(node):
        if key in ('_base_', 'custom_imports'):
            raise _error(node, f"'{key}' within another key")
        _check_entry(key, value)


def _check_entry(key: str, value: ast.expr) -> None:
    name = value.value if isinstance(value, ast.Constant) else None
    if key == 'trust_remote_code' and name:
        raise _error(value, f'{key}, which runs what a server sends')
    if not isinstance(name, str):
        return
    if key in _EVALUATED and not _WORDS.fullmatch(name):
        raise _error(value, f'the {key} {name!r}, which would be evaluated')
    if key in _SCOPES and not _may_import(name):
        raise _error(
            value,
            f'the scope {name!r}; if the checkpoint is yours, import that '
            'package before reading it',
        )
    if (key in _NAMES or key.endswith('_type')) and not _is_registered(name):
        raise _error(value, f'the type {name!r}, which nobody registered')


def _may_import(name: str) -> bool:
    """Whether an import of ``name`` runs nothing new."""
    root = name.partition('.')[0]
    known = root in _LIBRARIES or root in sys.modules
    return known or not root.isidentifier() or find_spec(root) is None


def _is_folder(name: str) -> bool:
    """Whether it is a folder that Python takes for a package: runs nothing.

    One of the folder where a command is run may be named like a value.
    """
    spec = find_spec(name)
    return spec is not None and spec.origin is None and spec.loader is None


def _is_registered(name: str) -> bool:
    """Whether ``name`` builds what a library has meant to be built.

    For a name that is registered nowhere mmengine takes the object of that
    path, and imports its module.
    """
    if '.' not in name:
        if _find(name, None):
            return True
        # Not a class, then: harmless unless it is a module to be imported.
        return _UNREGISTERED.fullmatch(name) is not None and (
            _may_import(name) or _is_folder(name)
        )
    if name in _FUNCTIONS:
        return True
    scope, _, rest = name.partition('.')
    if scope == 'timm':
        return _is_of_timm(rest)
    if scope in _LIBRARIES:
        try:
            import_module(f'{scope}.registry')
        except ImportError:
            # Nothing of a library that is not installed can be built.
            return find_spec(scope) is None
    if '.' not in rest and _find(rest, scope):
        return True
    return _find(name.rpartition('.')[2], None, name)


def _is_of_timm(name: str) -> bool:
    """Whether it is a model of timm, which mmaction2 names so."""
    if find_spec('timm') is None:
        return True
    return import_module('timm').is_model(name)


def _find(name: str, scope: str | None, path: str | None = None) -> bool:
    from mmengine.registry import Registry, root

    registries = [v for v in vars(root).values() if isinstance(v, Registry)]
    while registries:
        registry = registries.pop()
        registries.extend(registry.children.values())
        if scope is not None and registry.scope != scope:
            continue
        if name not in registry.module_dict and scope is not None:
            # The library may not have been asked for anything yet.
            with suppress(ImportError):
                # Scopes that stand for another's have no modules of theirs.
                registry.import_from_location()
        found = registry.module_dict.get(name)
        if found is None:
            continue
        if path is None or path == _path(found) or _is_alias(path, found):
            return True
    return False


def _path(found: Any) -> str:
    # What mmpretrain registers for torchvision has no name.
    return f'{found.__module__}.{getattr(found, "__qualname__", "")}'


def _is_alias(path: str, found: Any) -> bool:
    """Whether a path of a library leads to a registered object."""
    if path.partition('.')[0] not in (*_LIBRARIES, 'torch', 'torchvision'):
        return False
    from mmengine.utils import get_object_from_string

    return get_object_from_string(path) is found


def _check_imports(node: ast.Assign) -> None:
    for part in ast.walk(node.value):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            root = part.value.partition('.')[0]
            known = root in _LIBRARIES or root in sys.modules
            if not known or '__main__' in part.value.split('.'):
                raise _error(
                    node,
                    f'an import of {part.value!r}; if the checkpoint is '
                    'yours, import that module before reading it',
                )


def _error(node: ast.AST, what: str) -> ValueError:
    return ValueError(f'line {node.lineno}: it has {what}')
