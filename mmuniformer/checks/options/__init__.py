"""Keys and values of ``--cfg-options``.

mmengine adds an option key that the config does not have without a word, so
that a mistyped learning rate trains the default one. Here a new key is taken
only where something reads it (:mod:`mmuniformer.checks.options.keys`).
"""

import inspect
import typing
from collections.abc import Iterator
from copy import deepcopy
from types import NoneType, UnionType
from typing import Any

from mmengine.config import Config, ConfigDict
from torch import Tensor
from torch.utils.data import DataLoader

from mmuniformer.checks.finding import Finding, did_you_mean, nearest
from mmuniformer.checks.options.keys import (
    OWN_DICTS,
    Places,
    is_mentioned,
    modules_of,
    packages_of,
    read_words,
    top_level,
    words_of_package,
)
from mmuniformer.nodes import walk

# Above it, a key that is new in an open dict is taken for a typing mistake:
# the second if code of the library reads that word, of whatever dict.
SAME_WORD = 0.8
ALMOST_SAME_WORD = 0.9
NUMBERS = {int, float, bool, NoneType, Tensor}
NAMES = {'int': int, 'float': float, 'bool': bool, 'None': NoneType}


def merged(cfg: Config, options: dict[str, Any]) -> Config:
    """A config with options, as mmengine merges them.

    A value that is None becomes the dict that an option goes into.

    Args:
        cfg (Config): It is not changed.
        options (dict[str, Any]): New values by dotted key.

    Raises:
        KeyError: If a place in a list is not there.
        TypeError: If an option goes into a value that is no dict.
    """
    cfg = deepcopy(cfg)
    for option in options:
        node: Any = cfg._cfg_dict
        for key in option.split('.')[:-1]:
            if isinstance(node, (list, tuple)):
                inside = key.isdigit() and int(key) < len(node)
                node = node[int(key)] if inside else None
            elif isinstance(node, dict):
                if key in node and node[key] is None:
                    node[key] = ConfigDict()
                node = node.get(key)
    cfg.merge_from_dict(options)
    return cfg


def check_options(
    cfg: Config, options: dict[str, Any], amp: bool = False
) -> Iterator[Finding]:
    """Looks at the pairs of ``--cfg-options``.

    Args:
        cfg (Config): The config that they are to change; the default scope
            is active.
        options (dict[str, Any]): New values by dotted key.
        amp (bool): Whether ``--amp`` is given.
    """
    for option in options:
        wrong = list(_check_place(cfg, option))
        yield from wrong
        if wrong:
            return
    # A class is asked for its arguments as all options together name it.
    changed = merged(cfg, options)
    places = Places(cfg, changed, amp)
    for option, value in options.items():
        parts = tuple(option.split('.'))
        yield from _check_keys(places, option, parts, value)
        if len(parts) == 1 and option in cfg and option not in top_level():
            yield from _check_variable(cfg, option, cfg[option], value)


def _finding(option: str, what: str, mend: str = '') -> Finding:
    return Finding(f'--cfg-options {option}: {what}', mend, entry=option)


def _check_place(cfg: Config, option: str) -> Iterator[Finding]:
    """Whether the dicts and lists are there that an option goes into."""
    node: Any = cfg._cfg_dict
    parts = tuple(option.split('.'))
    for depth, key in enumerate(parts):
        parent = '.'.join(parts[:depth])
        if isinstance(node, (list, tuple)):
            if not key.isdigit() or int(key) >= len(node):
                has = f'not one of 0 to {len(node) - 1}' if node else 'none'
                yield _finding(
                    option,
                    f"{parent} is a list of {len(node)} entries, and '{key}' "
                    f'is {has}',
                )
                return
            node = node[int(key)]
        elif isinstance(node, dict):
            if key not in node:
                return
            node = node[key]
        elif node is None and (depth > 1 or _is_dict(cfg, parts[0])):
            return
        else:
            yield _finding(option, f"{parent} is {node!r}, it has no '{key}'")
            return


def _is_dict(cfg: Config, key: str) -> bool:
    """Whether mmengine reads a dict from a key of the top level."""
    return Places(cfg, cfg, False).takes((key,), {}) is not None


def _check_keys(
    places: Places,
    option: str,
    parts: tuple[str, ...],
    value: Any,
) -> Iterator[Finding]:
    """Looks at every key of an option that the config did not have."""
    before: Any = places.before._cfg_dict
    after: Any = places.cfg._cfg_dict
    for depth, key in enumerate(parts):
        if isinstance(after, (list, tuple)):
            # A list as a whole may have replaced the one that was there.
            inside = key.isdigit() and int(key) < len(after)
            if not inside:
                return
            after = after[int(key)]
            is_list = isinstance(before, (list, tuple))
            inside = is_list and int(key) < len(before)
            before = before[int(key)] if inside else None
            continue
        if not isinstance(after, dict):
            return
        old = isinstance(before, dict) and key in before
        if not old and key != '_delete_':
            wrong = list(
                _check_new_key(places, after, before, option, parts, depth)
            )
            yield from wrong
            if wrong:
                return
        elif depth == len(parts) - 1:
            loader = depth == 1 and parts[0].endswith('_dataloader')
            kinds = [DataLoader]
            if not loader:
                kinds = places.built_at(parts[:depth], after)
            # A dict with _delete_ may have replaced a word.
            replaced = before.get(key) if old else None
            yield from _check_value(replaced, kinds, option, value)
        before = before.get(key) if old else None
        after = after.get(key)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _check_keys(
                places, f'{option}.{key}', (*parts, str(key)), inner
            )


def _check_new_key(
    places: Places,
    node: dict,
    before: Any,
    option: str,
    parts: tuple[str, ...],
    depth: int,
) -> Iterator[Finding]:
    """Looks whether something reads a key.

    Args:
        places (Places): Of the config with the options.
        node (dict): The dict with the key.
        before (Any): The same dict without the options, if it was there.
        option (str): For the message.
        parts (tuple[str, ...]): The keys of the option.
        depth (int): Which of them it is about.
    """
    parents, key = parts[:depth], parts[depth]
    here = set(map(str, before)) if isinstance(before, dict) else set()
    taken = places.takes(parents, node)
    if taken is not None and not taken.open:
        if key in taken.names:
            return
        yield _unknown(places, node, option, parents, key, taken.names | here)
        return
    names = taken.names if taken is not None else frozenset()
    if key in names or _is_read(places, parents, key, here | names):
        return
    known = here | names
    yield _unknown(places, node, option, parents, key, known)


def _is_read(
    places: Places, parents: tuple[str, ...], key: str, beside: set[str]
) -> bool:
    """Whether code of the libraries may read a key of an open dict."""
    if 'custom_keys' in parents:
        return True
    if len(parents) == 1 and parents[0] == 'default_hooks':
        # Names are the user's; those that are nearly there are mistakes.
        return not nearest(key, beside, cutoff=SAME_WORD)
    owners = places.owners(parents)
    words = read_words(*modules_of(owners))
    if key in words:
        return True
    # Nothing is built around it, or the class has been asked.
    if not owners or parents[-1] in OWN_DICTS:
        return False
    packages = packages_of(owners)
    if nearest(key, beside | words, cutoff=ALMOST_SAME_WORD):
        return False
    if any(key in words_of_package(package) for package in packages):
        return True
    if nearest(key, beside, cutoff=SAME_WORD):
        return False
    return is_mentioned(key, packages)


def _unknown(
    places: Places,
    node: dict,
    option: str,
    parents: tuple[str, ...],
    key: str,
    known: set[str] | frozenset[str],
) -> Finding:
    known = {name for name in known if not name.startswith('_')}
    where = f'{".".join(parents)} has' if parents else 'there is'
    kind = node.get('type') if parents else None
    if kind is not None:
        name = kind if isinstance(kind, str) else kind.__name__
        where = f'{".".join(parents)} ({name}) has'
    read = set(read_words(*modules_of(places.owners(parents))))
    near = nearest(key, known)
    if not near and parents:
        near = nearest(key, read, cutoff=SAME_WORD)
    near = near or _elsewhere(places.before, key)
    has = f'; it has {", ".join(sorted(known))}' if parents and known else ''
    mend = ''
    amp = Places(places.before, places.cfg, True).takes(parents, node)
    if not places.amp and amp is not None and key in amp.names:
        near, has = [], ''
        mend = 'with --amp it has'
    return _finding(
        option, f"{where} no key '{key}'{did_you_mean(near) or has}", mend
    )


def _elsewhere(cfg: Config, key: str) -> list[str]:
    """Where else in the config the key stands: three places at most."""
    places = [
        f'{path}.{key}'
        for path, node in walk(cfg._cfg_dict)
        if key in node and path
    ]
    return places[:3]


def _check_value(
    old: Any, kinds: list, option: str, value: Any
) -> Iterator[Finding]:
    """A word where the classes that may be built take numbers alone."""
    is_number = isinstance(old, (int, float)) and not isinstance(old, bool)
    if not is_number or not isinstance(value, str):
        return
    key = option.rpartition('.')[2]
    types = [_types(built, key) for built in kinds]
    if types and all(some and some <= NUMBERS for some in types):
        yield _finding(
            option, f'it is {old!r}, a number, and {value!r} is none'
        )


def _types(built: Any, key: str) -> set:
    """The types that an argument may have, as its constructor says."""
    for parent in getattr(built, '__mro__', ()):
        constructor = vars(parent).get('__init__')
        if constructor is None:
            continue
        try:
            parameters = inspect.signature(constructor).parameters
        except (TypeError, ValueError):
            return set()
        if key in parameters:
            return _members(parameters[key].annotation)
    return set()


def _members(hint: Any) -> set:
    """The types that an annotation joins; a string may not be evaluated."""
    if isinstance(hint, str):
        return {NAMES.get(name.strip(), name) for name in hint.split('|')}
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return set().union(*map(_members, typing.get_args(hint)))
    return set() if hint is inspect.Parameter.empty else {hint}


def _check_variable(
    cfg: Config, key: str, old: Any, new: Any
) -> Iterator[Finding]:
    """A variable of the config text has been copied to where it is used."""
    if old == new or not isinstance(old, (str, list, dict, int, float)):
        return
    if not old or isinstance(old, bool):
        return
    # Numbers are equal by chance: they stand where they have the same name.
    number = isinstance(old, (int, float))
    known = top_level()
    places = [
        f'{path}.{name}'
        for path, node in walk(cfg._cfg_dict)
        if path and path.split('.')[0] in known
        for name, value in node.items()
        if value == old and (name == key or not number)
    ]
    if places:
        yield _finding(
            key,
            f"'{key}' is a variable of the config file, and changing it here "
            'changes nothing',
            f'set {", ".join(places[:3])}',
        )
