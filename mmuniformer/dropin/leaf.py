"""A config as the changes to another, in the text that people write."""

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmuniformer.nodes import walk

WIDTH = 79
INDENT = '    '
OURS = 'mmuniformer.'
# What a leaf calls the folder of a library.
INSTALLED = 'installed'


@dataclass(frozen=True)
class Same:
    """A value of the base, by its place."""

    path: str


@dataclass(frozen=True)
class Changed:
    """A dict of the base with other values, within a list."""

    path: str
    values: dict


@dataclass(frozen=True)
class Name:
    """A variable of the text itself."""

    name: str


SAME = object()


def differences(old: Any, new: Any, path: str) -> Any:
    """What a config has to say for ``new`` where its base has ``old``.

    Args:
        old (Any): Value of the base.
        new (Any): Value that is wanted.
        path (str): Its place in the base.

    Returns:
        Any: ``SAME``, or the value to write: in dicts only what differs, with
        ``_delete_`` where the base has too much.
    """
    if _equal(old, new):
        return SAME
    if isinstance(new, dict) and isinstance(old, dict):
        another = old.get('type') != new.get('type')
        if another or set(old) - set(new) - {'_scope_'}:
            return dict(_delete_=True, **new)
        told = {
            key: differences(old[key], value, f'{path}.{key}')
            if key in old
            else value
            for key, value in new.items()
        }
        return {k: v for k, v in told.items() if v is not SAME}
    if isinstance(new, dict):
        # mmengine merges a dict into None no more than into a number.
        return dict(_delete_=True, **new)
    if isinstance(new, list) and isinstance(old, list):
        return [_item(old, value, path) for value in new]
    if isinstance(new, list):
        # A list of what was one before.
        return [Same(path) if _equal(old, value) else value for value in new]
    return new


def _item(old: list, new: Any, path: str) -> Any:
    """An item of a list, which a config gives as a whole."""
    if not isinstance(new, dict):
        return new
    places = [(value, f'{path}[{i}]') for i, value in enumerate(old)]
    for value, place in places:
        if _equal(value, new):
            return Same(place)
    for value, place in places:
        if isinstance(value, dict) and value.get('type') == new.get('type'):
            return _changed(value, new, place)
    return new


def _changed(old: Any, new: Any, path: str) -> Any:
    """A value within a list, said by what differs from the base's."""
    if isinstance(old, list) and isinstance(new, list):
        return [_item(old, value, path) for value in new]
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    if set(old) - set(new) - {'_scope_'}:
        return new
    values = {
        key: _changed(old[key], value, f'{path}.{key}')
        if key in old
        else value
        for key, value in new.items()
        if key not in old or not _equal(old[key], value)
    }
    return Changed(path, values)


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = set(old) - {'_scope_'}
        return keys == set(new) - {'_scope_'} and all(
            _equal(old[key], new[key]) for key in keys
        )
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return (
            isinstance(old, list) == isinstance(new, list)
            and len(old) == len(new)
            and all(_equal(a, b) for a, b in zip(old, new, strict=True))
        )
    return type(old) is type(new) and old == new


def leaf_text(
    base: str,
    old: Config,
    new: Config,
    keys: Iterable[str],
    notes: Sequence[str],
    checkpoint: str | None,
    lazy: bool,
) -> str:
    """The text of a config that inherits ``base``.

    Args:
        base (str): What ``_base_`` names; for a pure Python config, the module
            that it imports.
        old (Config): What is inherited.
        new (Config): What is wanted.
        keys (Iterable[str]): Keys at the top that may differ, in the order of
            the text.
        notes (Sequence[str]): Lines of a comment at the top.
        checkpoint (str, optional): A link that gets a name of its own.
        lazy (bool): Whether it is a pure Python config.
    """
    library = None if lazy else _library(new)
    write = Writer(lazy, checkpoint, library)
    lines: list[str] = []
    if lazy:
        lines += _pure_python_head(base, new)
    else:
        lines.append(f'_base_ = {base!r}')
        given = old.get('custom_imports') or {}
        imports = given.get('imports') or []
        imports = [imports] if isinstance(imports, str) else list(imports)
        if 'mmuniformer' not in imports:
            text = write.assign(
                'custom_imports',
                dict(
                    imports=[*imports, 'mmuniformer'],
                    allow_failed_imports=given.get(
                        'allow_failed_imports', False
                    ),
                ),
            )
            lines.append(text)
    if checkpoint is not None:
        lines.append(f'pretrained = {checkpoint!r}')
    for key in keys:
        if key not in new:
            continue
        if key not in old:
            lines.append(write.assign(key, new[key]))
            continue
        told = differences(old[key], new[key], key)
        if told is SAME:
            continue
        if lazy and isinstance(told, dict):
            lines.append(write.call(f'{key}.merge', told))
        else:
            lines.append(write.assign(key, told))
    if write.names_library:
        at = f'find_spec({library.name!r}).submodule_search_locations[0]'
        # Before its base, an import would make it a pure Python config.
        lines[1:1] = [
            'from importlib.util import find_spec',
            f'{INSTALLED} = {at}',
        ]
    return '\n'.join([*(f'# {line}' for line in notes), *lines]) + '\n'


def _library(cfg: Config) -> ModuleSpec | None:
    scope = cfg.get('default_scope')
    return find_spec(scope) if scope else None


def _pure_python_head(base: str, new: Config) -> list[str]:
    """What a pure Python config imports: classes, and its base."""
    ours = {
        node['type'].removeprefix(OURS)
        for _, node in walk(new['model'])
        if str(node.get('type')).startswith(f'{OURS}UniFormer')
    }
    return [
        'from mmengine.config import read_base',
        '',
        f'from mmuniformer.models import {", ".join(sorted(ours))}',
        '',
        'with read_base():',
        f'{INDENT}from {base} import *  # noqa: F403',
        '',
    ]


class Writer:
    """Values as the text of Python, as ruff and black lay it out."""

    def __init__(
        self,
        lazy: bool,
        checkpoint: str | None,
        library: ModuleSpec | None = None,
    ):
        self.lazy = lazy
        # Files of a library are elsewhere on another machine.
        self.folder = library and library.submodule_search_locations[0]
        self.names_library = False
        self.prefix = '' if lazy else '_base_.'
        self.checkpoint = checkpoint

    def assign(self, name: str, value: Any) -> str:
        """``name = value``, in lines that fit."""
        return self._text(value, f'{name} = ', '', '')

    def call(self, name: str, value: Any) -> str:
        inner = self._text(value, INDENT, INDENT, '')
        return f'{name}(\n{inner}\n)'

    def _text(self, value: Any, before: str, indent: str, after: str) -> str:
        flat = before + self._flat(value) + after
        parts = self._parts(value)
        if len(flat) <= WIDTH or parts is None:
            return flat
        opening, items, closing = parts
        lines = [before + opening]
        for name, item in items:
            lines.append(
                self._text(item, indent + INDENT + name, indent + INDENT, ',')
            )
        return '\n'.join([*lines, indent + closing + after])

    def _parts(self, value: Any) -> tuple[str, list, str] | None:
        """Opening, named items and closing of a value that has any."""
        if isinstance(value, Changed):
            items = [(f'{k}=', v) for k, v in value.values.items()]
            return 'dict(', [('', Same(value.path)), *items], ')'
        if isinstance(value, dict):
            if all(str(key).isidentifier() for key in value):
                return 'dict(', [(f'{k}=', v) for k, v in value.items()], ')'
            return '{', [(f'{k!r}: ', v) for k, v in value.items()], '}'
        if isinstance(value, list) and value:
            return '[', [('', item) for item in value], ']'
        if isinstance(value, tuple) and value:
            return '(', [('', item) for item in value], ')'
        return None

    def _flat(self, value: Any) -> str:
        if isinstance(value, Same):
            return self.prefix + value.path
        if isinstance(value, Name):
            return value.name
        if value == self.checkpoint and isinstance(value, str):
            return 'pretrained'
        if self._is_installed(value):
            self.names_library = True
            inside = value.removeprefix(self.folder)
            return f'f{f"{{{INSTALLED}}}{inside}"!r}'
        if isinstance(value, type):
            return repr(registered_name(value))
        if self.lazy and str(value).startswith(f'{OURS}UniFormer'):
            return value.removeprefix(OURS)
        parts = self._parts(value)
        if parts is None:
            return repr(value)
        opening, items, closing = parts
        inner = ', '.join(name + self._flat(item) for name, item in items)
        if isinstance(value, tuple) and len(items) == 1:
            inner += ','
        return opening + inner + closing

    def _is_installed(self, value: Any) -> bool:
        return (
            self.folder is not None
            and isinstance(value, str)
            and value.startswith(self.folder + os.sep)
        )


def registered_name(kind: type) -> str:
    """The name that a config may give instead of a class."""
    return f'{kind.__module__.partition(".")[0]}.{kind.__name__}'


def base_of(config: str, out: Path, lazy: bool) -> str:
    """What a leaf names its base: a package's config, or a relative path.

    Args:
        config (str): As the user gave it.
        out (Path): Where the leaf is written.
        lazy (bool): Whether they are pure Python configs.

    Raises:
        ValueError: If a pure Python config cannot be imported from there, or
            the leaf would take the place of what it inherits.
    """
    if '::' in config:
        return config
    path = Path(config).absolute()
    if out.exists() and any(out.samefile(file) for file in files_of(path)):
        raise ValueError(
            f'{out} is a part of it, and the result inherits that: give -o '
            'another name'
        )
    relative = os.path.relpath(path, out.absolute().parent)
    if not lazy:
        return Path(relative).as_posix()
    *ups, last = Path(relative).with_suffix('').parts
    dots = '.' * (1 + sum(part == '..' for part in ups))
    names = [part for part in (*ups, last) if part != '..']
    if not all(name.isidentifier() for name in names):
        raise ValueError(
            f'{config} is a pure Python config, and {relative} is nothing '
            'that Python can import: rename it, or write the result beside it'
        )
    return dots + '.'.join(names)


def files_of(config: Path) -> Iterator[Path]:
    """The file of a config, and those that it inherits by their paths.

    Args:
        config (Path): One that has been read; what it imports is there.
    """
    yield config
    if Config._is_lazy_import(str(config)):
        code = ast.parse(config.read_text()).body
        for module in Config._get_base_modules(code):
            name = module.lstrip('.')
            ups = ['..'] * (len(module) - len(name) - 1)
            base = config.parent.joinpath(*ups, *name.split('.'))
            # From a library, it starts with no dot.
            if name != module:
                yield from files_of(base.with_suffix('.py'))
        return
    for base in Config._get_base_files(str(config)):
        yield from files_of(Path(Config._get_cfg_path(base, str(config))[0]))
