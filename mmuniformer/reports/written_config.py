"""The config that a run wrote, read as data: nothing of it is run."""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from mmuniformer.reports.content import Table

# Of the keys that differ, as many are shown.
MOST = 200


def read_config(text: str) -> dict[str, Any]:
    """The values of a config as mmengine dumps it.

    Args:
        text (str): Assignments of literals and calls of ``dict``.

    Returns:
        dict[str, Any]: By name. What is no literal is its text; of a file
        that is cut, nothing.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return {
        node.targets[0].id: _value(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
    }


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and _is_dict(node):
        # Of names that are no words mmengine writes dict({...}).
        values = _value(node.args[0]) if node.args else {}
        return values | {k.arg: _value(k.value) for k in node.keywords}
    elif isinstance(node, ast.Dict) and None not in node.keys:
        keys = [_value(key) for key in node.keys]
        keys = [k if isinstance(k, (str, int)) else str(k) for k in keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    elif isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    elif isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return ast.unparse(node)


def _is_dict(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        and all(keyword.arg for keyword in node.keywords)
        and len(node.args) < 2
        and all(
            isinstance(a, ast.Dict) and None not in a.keys for a in node.args
        )
    )


def lookup(config: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path, or ``default``."""
    for key in path.split('.'):
        if not isinstance(config, dict) or key not in config:
            return default
        config = config[key]
    return config


def flat(config: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """Dotted paths of a config and the texts of their values."""
    if isinstance(config, dict) and config:
        items = list(config.items())
    elif isinstance(config, (list, tuple)) and any(
        isinstance(item, (dict, list, tuple)) for item in config
    ):
        items = list(enumerate(config))
    else:
        yield path, repr(config)
        return
    for key, value in items:
        yield from flat(value, f'{path}.{key}' if path else str(key))


def differences(names: Sequence[str], configs: Sequence[dict]) -> Table:
    """What differs between configs, a column for each.

    Args:
        names (Sequence[str]): Of the runs.
        configs (Sequence[dict]): Theirs.
    """
    flats = [dict(flat(config)) for config in configs]
    keys = dict.fromkeys(key for values in flats for key in values)
    # A name at the top that the rest was made from says nothing more.
    rows = [
        [key, *(values.get(key, '') for values in flats)]
        for key in keys
        if len({values.get(key) for values in flats}) > 1
        and not key.startswith('work_dir')
    ]
    note = ''
    if len(rows) > MOST:
        note = f'The first {MOST} of {len(rows)}.'
    elif not rows:
        note = 'The configs are the same.'
    return Table(
        'What differs', ['key', *names], rows[:MOST], note=note, words=True
    )
