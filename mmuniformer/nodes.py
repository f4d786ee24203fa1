"""The nodes of a config: its dicts, where they stand, what they build."""

from collections.abc import Iterable, Iterator
from typing import Any


def walk(node: Any, path: str = '') -> Iterator[tuple[str, dict]]:
    """Every dict of a config with its dotted path, outermost first.

    Args:
        node (Any): A ``ConfigDict``, or a list or tuple of any depth; anything
            else has no dicts.
        path (str): Where it stands.

    Yields:
        tuple[str, dict]: For example ``('model.backbone', {...})``.
    """
    if isinstance(node, dict):
        yield path, node
        items: Iterable = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield from walk(value, f'{path}.{key}' if path else str(key))


def type_name(node: Any) -> str:
    """Name of the class that a node builds, without its scope.

    Args:
        node (Any): A dict whose ``type`` is a name, a prefixed name or, in a
            pure Python config, the class; or anything else.

    Returns:
        str: ``'SyncBN'`` for ``dict(type='mmengine.SyncBN')``; empty where
        nothing is built.
    """
    kind = node.get('type') if isinstance(node, dict) else None
    if kind is None:
        return ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]
