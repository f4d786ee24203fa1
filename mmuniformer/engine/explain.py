"""Foreseen errors of the libraries, as one line that names key or file.

An error that nobody foresaw keeps its traceback.
"""

import errno
import inspect
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mmengine.registry import Registry, root

from mmuniformer.checks.checkpoints import newest_checkpoint
from mmuniformer.checks.finding import suggest
from mmuniformer.engine.joining import lost_process
from mmuniformer.errors import (
    CheckpointError,
    InputError,
    SettingError,
    UnwritableFile,
    UserError,
)
from mmuniformer.hosts import packages
from mmuniformer.nodes import type_name, walk


@contextmanager
def readable_errors(cfg: Any) -> Iterator[None]:
    """Turns the foreseen errors of building and running ``cfg`` into one line.

    Args:
        cfg (Config): The config whose values are named in the message.

    Raises:
        UserError: For an unknown type, an argument that a constructor does
            not take, a value or an input that a backbone does not take, a
            missing data file, an unreadable image, a full disk, a host
            library that is not installed or another process of the run that
            is missing.
    """
    try:
        yield
    except UnwritableFile as e:
        explanation = _full_disk(e.__cause__, cfg)
        if explanation is None:
            raise
        raise UserError(explanation) from e
    except UserError as e:
        # Of a loader process the message is a traceback that ends with ours.
        _, loader, told = str(e).rpartition(f'{type(e).__name__}: ')
        if not loader:
            raise
        raise UserError(told.strip()) from e
    except CheckpointError as e:
        place = _place_of_checkpoint(e, cfg)
        if place is None:
            raise
        raise UserError(f'{e} (set by {place})') from e
    except (SettingError, InputError) as e:
        places = [
            f'{path}: '
            for path, node in walk(cfg._cfg_dict)
            if 'UniFormer' in str(node.get('type'))
        ]
        raise UserError(f'{"".join(places[:1])}{e}') from e
    except (KeyError, TypeError, OSError, ImportError, AssertionError) as e:
        explanation = (
            _unknown_type(e, cfg)
            or _unknown_argument(e, cfg)
            or _full_disk(e, cfg)
            or _unreadable_image(e)
            or _missing_data(e, cfg)
            or _missing_package(e)
        )
        if explanation is None:
            raise
        raise UserError(explanation) from e
    except RuntimeError as e:
        told = lost_process(e, cfg) or _static_graph(e, cfg)
        if told is None:
            raise
        raise told from e


def _static_graph(error: RuntimeError, cfg: Any) -> UserError | None:
    """torch's way to say that a static graph was first run without sending."""
    wrapper = cfg.get('model_wrapper_cfg') or {}
    is_it = 'expect_autograd_hooks_' in str(error)
    if not (is_it and wrapper.get('static_graph')):
        return None
    kind = type_name(wrapper) or 'MMDistributedDataParallel'
    return UserError(
        f'model_wrapper_cfg: static_graph of {kind} cannot be used with '
        "accumulative_counts; type='mmuniformer.DistributedDataParallel' can"
    )


def _unknown_type(error: Exception, cfg: Any) -> str | None:
    match = re.match(
        r"'?\"?(\S+) is not in the (\S+)::(.+?) registry", str(error)
    )
    if match is None or not isinstance(error, KeyError):
        return None
    name, scope, kind = match.groups()
    places = []
    for path, node in walk(cfg._cfg_dict):
        if node.get('type') == name and path:
            places.append(path)
            owner = node.get('_scope_')
            if owner in packages() and find_spec(owner) is None:
                return (
                    f"{path}: '{name}' is a {kind} of {owner}, which is not "
                    f'installed; pip install {packages()[owner]}'
                )
    place = f'{places[0]}.type: ' if places else ''
    known = _registered(kind) - {name}
    elsewhere = sorted(k for k in known if k.endswith(f'.{name}'))
    written = ' or '.join(map(repr, elsewhere))
    hint = f'; write {written}' if elsewhere else suggest(name, known)
    return f"{place}there is no {kind} '{name}' in {scope}{hint}"


def _registered(kind: str) -> set[str]:
    """Names registered under ``kind`` in all imported libraries."""
    names = set()
    registries = [r for r in _root_registries() if r.name == kind]
    while registries:
        registry = registries.pop()
        prefix = '' if registry.parent is None else f'{registry.scope}.'
        names.update(registry.module_dict)
        names.update(f'{prefix}{name}' for name in registry.module_dict)
        registries.extend(registry.children.values())
    return names


def _root_registries() -> list:
    return [v for v in vars(root).values() if isinstance(v, Registry)]


def _unknown_argument(error: Exception, cfg: Any) -> str | None:
    match = re.search(
        r"(?:(\w+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'",
        str(error),
    )
    if match is None or not isinstance(error, TypeError):
        return None
    owner, function, key = match.groups()
    name = owner or function
    # A TypeError is the config's mistake only where the config has the key.
    for path, node in walk(cfg._cfg_dict):
        type_ = node.get('type')
        if key not in node or type_ is None:
            continue
        built = type_name(node)
        if name in (built, '__init__') or _derives(type_, name):
            allowed = _arguments(type_)
            known = f'; it takes {", ".join(allowed)}' if allowed else ''
            # What a constructor of ours says besides.
            more, _, _ = str(error)[match.end() :].partition('\n')
            return (
                f"{path}: {built} takes no argument '{key}'"
                f'{suggest(key, allowed)}{known}{more}'
            )
    return None


def _find_class(type_: Any) -> Any:
    if not isinstance(type_, str):
        return type_
    scope, _, name = type_.rpartition('.')
    found = None
    registries = _root_registries()
    while registries:
        registry = registries.pop()
        if name in registry.module_dict:
            # mmaction2 has a UniFormer of its own.
            if registry.scope == scope:
                return registry.module_dict[name]
            found = found or registry.module_dict[name]
        registries.extend(registry.children.values())
    return found


def _derives(type_: Any, base: str) -> bool:
    found = _find_class(type_)
    return inspect.isclass(found) and base in {
        parent.__name__ for parent in found.__mro__
    }


def _arguments(type_: Any) -> list[str]:
    """Argument names of a class and, behind ``**kwargs``, of its parents."""
    found = _find_class(type_)
    if found is None:
        return []
    functions = [found]
    if inspect.isclass(found):
        functions = [
            vars(parent)['__init__']
            for parent in found.__mro__[:-1]
            if '__init__' in vars(parent)
        ]
    names: list[str] = []
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        names += [
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            and p.name != 'self'
            and p.name not in names
        ]
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break
    return names


def _unreadable_image(error: Exception) -> str | None:
    # The last match: an error of a loader process quotes its whole traceback.
    found = re.findall(r'failed to load image: ([^`\n]+)', str(error))
    if not found:
        return None
    return (
        f'cannot read the image {found[-1].strip()}: it is damaged or not an '
        'image; replace it or remove it from the annotations'
    )


# What a disk says that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _full_disk(error: BaseException | None, cfg: Any) -> str | None:
    if not isinstance(error, OSError) or error.errno not in _FULL:
        return None
    work_dir = cfg.get('work_dir') or '.'
    place = error.filename or f'a file of the run in {work_dir}'
    newest, _ = newest_checkpoint(work_dir)
    kept = f'{newest} is whole: ' if newest else ''
    return (
        f'cannot write {os.fsdecode(place)}: {error.strerror}; {kept}make '
        'room, and go on with --resume'
    )


def _place_of_checkpoint(error: CheckpointError, cfg: Any) -> str | None:
    """The key of the weights to start from that the error is about."""
    for path, node in walk(cfg._cfg_dict):
        checkpoint = node.get('checkpoint')
        if isinstance(checkpoint, str) and checkpoint in str(error):
            return f'{path}.checkpoint'
    return None


def _missing_data(error: Exception, cfg: Any) -> str | None:
    missing = None
    if isinstance(error, AssertionError):
        # mmpose's words for annotations and boxes.
        match = re.search(r'file `([^`]+)` ?does not exist', str(error))
        if match is None:
            return None
        missing = match.group(1)
    elif isinstance(error, FileNotFoundError):
        missing = error.filename
    else:
        return None
    if missing is None:
        # Raised in a loader process: only the text of the error survives.
        found = re.findall(
            r"No such file or directory: b?'([^']+)'", str(error)
        )
        found += re.findall(
            r'(\S+) (?:does not exist|can not be found)', str(error)
        )
        if not found:
            return None
        missing = found[-1]
    if isinstance(missing, bytes):
        missing = missing.decode()
    missing = os.path.normpath(str(missing))
    datasets = [
        (path, node)
        for path, node in walk(cfg._cfg_dict)
        if path and _is_below(missing, node.get('data_root'))
    ]
    keys = [
        f'{path}.{key}'
        for path, node in datasets
        for key, value in node.items()
        if _is_path(value, missing)
    ]
    keys = keys or [f'{path}.data_root' for path, _ in datasets]
    if keys:
        return (
            f'{missing} does not exist; put the data set there, link it, or '
            f'say where it is in the config ({", ".join(keys)})'
        )
    for path, node in walk(cfg._cfg_dict):
        for key, value in node.items():
            if _is_path(value, missing):
                place = f'{path}.{key}' if path else key
                return f'{missing} does not exist (set by {place})'
    return None


def _is_path(value: Any, path: str) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and os.path.normpath(value) == path
    )


def _is_below(path: str, folder: Any) -> bool:
    if not isinstance(folder, str) or not folder:
        return False
    return path.startswith(os.path.normpath(folder) + os.sep)


def _missing_package(error: Exception) -> str | None:
    if not isinstance(error, ImportError):
        return None
    match = re.match(r'Failed to import (\S+) from', str(error))
    name = getattr(error, 'name', None) or (match and match.group(1))
    if name is None or name.split('.')[0] not in packages():
        return None
    return (
        f'{name} cannot be imported: {error}. Run `python -m '
        'mmuniformer.doctor` to see what is missing'
    )
