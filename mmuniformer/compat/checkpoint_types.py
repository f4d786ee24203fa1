"""What a checkpoint may hold besides tensors, strings, numbers, containers.

A pickle is a program: it calls what it names. torch's ``weights_only`` calls
what was allowed, by whatever arguments the file has, and an allowed
``numpy.ndarray`` or ``numpy.dtype`` is a constructor that a file must not
have. Here the names that mmengine's checkpoints hold lead to stand-ins
instead. A stand-in takes the one form in which the owner of the name pickles
itself, looks at its values, and becomes the real object after the file has
been read. Nothing else can be made, and the allowance ends with the reading.
"""

from __future__ import annotations

import argparse
import math
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Plain numbers, booleans and text: no fields, no objects, no dates.
_CODE = re.compile(
    r'(b1|\?|[iu][1248]|[bhilqBHILQ]|f[248]|c8|c16|[US]\d{1,6})'
)
_LARGEST = 1 << 33  # bytes of an array; a file that holds more is damaged


def _refuse(name: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f'Unsupported class {name}')


class DType:
    """``numpy.dtype`` as it pickles itself."""

    def __new__(cls, *args: Any) -> DType:
        if len(args) != 3 or not _is_code(args[0]):
            raise _refuse('numpy.dtype')
        if args[1] not in (False, 0) or args[2] not in (True, 1):
            raise _refuse('numpy.dtype')
        made = object.__new__(cls)
        made.code, made.order = args[0], '='
        return made

    def __setstate__(self, state: Any) -> None:
        import numpy as np

        if type(state) is not tuple or len(state) != 8:
            raise _refuse('numpy.dtype')
        version, order, *parts, size, align, flags = state
        plain = np.dtype(self.code)
        text = plain.kind in 'US'
        sizes = (plain.itemsize, plain.alignment) if text else (-1, -1)
        if (
            version not in (3, 4)
            or order not in ('<', '>', '|', '=')
            or any(part is not None for part in parts)
            or (size, align) != sizes
            or flags not in (0, 8)
        ):
            raise _refuse('numpy.dtype')
        self.order = order

    def real(self) -> Any:
        import numpy as np

        return np.dtype(self.code).newbyteorder(self.order)


def _is_code(code: Any) -> bool:
    return type(code) is str and _CODE.fullmatch(code) is not None


class ArrayName:
    """``numpy.ndarray`` as a name: it can be made by nobody."""

    def __new__(cls, *args: Any) -> ArrayName:
        raise _refuse('numpy.ndarray')


class Array:
    """What ``_reconstruct`` gives: an array whose content follows."""

    def __new__(cls, *args: Any) -> Array:
        raise _refuse('numpy.ndarray')

    def __setstate__(self, state: Any) -> None:
        import numpy as np

        if type(state) is not tuple or len(state) != 5:
            raise _refuse('numpy.ndarray')
        _, shape, dtype, fortran, data = state
        if (
            type(dtype) is not DType
            or type(data) is not bytes
            or type(shape) is not tuple
            or len(shape) > 32
            or not all(type(n) is int and 0 <= n <= _LARGEST for n in shape)
            or math.prod(shape) * dtype.real().itemsize != len(data)
        ):
            raise _refuse('numpy.ndarray')
        flat = np.frombuffer(data, dtype.real())
        # A copy, as memory of the file is read only.
        self.value = flat.reshape(shape, order='F' if fortran else 'C').copy()

    def real(self) -> Any:
        if not hasattr(self, 'value'):
            raise _refuse('numpy.ndarray')
        return self.value


def _reconstruct(*args: Any) -> Array:
    if len(args) != 3 or args[0] is not ArrayName or args[1] != (0,):
        raise _refuse('numpy.ndarray')
    return object.__new__(Array)


def _scalar(*args: Any) -> Any:
    import numpy as np

    if (
        len(args) != 2
        or type(args[0]) is not DType
        or type(args[1]) is not bytes
        or len(args[1]) != args[0].real().itemsize
    ):
        raise _refuse('numpy scalar')
    return np.frombuffer(args[1], args[0].real(), 1)[0]


def _no_bytes(*args: Any) -> bytes:
    """What an array of no element holds: protocol 2 has no other word."""
    if args:
        raise _refuse('bytes')
    return b''


class History:
    """mmengine's ``HistoryBuffer``: two arrays, and names of statistics."""

    def __init__(self, *args: Any) -> None:
        raise _refuse('HistoryBuffer')

    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict:
            raise _refuse('HistoryBuffer')
        known = {'max_length', '_log_history', '_count_history'}
        extra = set(state) - known - {'statistics_methods'}
        statistics = state.get('statistics_methods', {})
        functions = [getattr(_history(), name) for name in _STATISTICS]
        if (
            extra
            or type(statistics) is not dict
            or not all(f in functions for f in statistics.values())
        ):
            raise _refuse('HistoryBuffer')
        self.state = {k: v for k, v in state.items() if k in known}

    def real(self) -> Any:
        if set(getattr(self, 'state', ())) != {
            'max_length', '_log_history', '_count_history'
        }:  # fmt: skip
            raise _refuse('HistoryBuffer')
        made = _history()()
        made.__dict__.update(_settle(self.state, {}))
        return made


class Arguments:
    """``argparse.Namespace``, which official training scripts store."""

    def __init__(self, *args: Any) -> None:
        raise _refuse('argparse.Namespace')

    def __setstate__(self, state: Any) -> None:
        if type(state) is not dict:
            raise _refuse('argparse.Namespace')
        self.state = state

    def real(self) -> argparse.Namespace:
        made = argparse.Namespace()
        made.__dict__.update(_settle(getattr(self, 'state', {}), {}))
        return made


class Schedule:
    """mmengine's ``OneCycleParamScheduler`` as the owner of functions."""

    def __new__(cls, *args: Any) -> Schedule:
        raise _refuse('OneCycleParamScheduler')


_STATISTICS = ('current', 'max', 'mean', 'min')
_ANNEALING = ('_annealing_cos', '_annealing_linear')


def _history() -> type:
    from mmengine.logging.history_buffer import HistoryBuffer

    return HistoryBuffer


def _method(*args: Any) -> Callable:
    """A function of mmengine, which pickles as a call of ``getattr``."""
    if args[:1] == (History,) and args[1:] in [(n,) for n in _STATISTICS]:
        return getattr(_history(), args[1])
    if args[:1] == (Schedule,) and args[1:] in [(n,) for n in _ANNEALING]:
        from mmengine.optim.scheduler import param_scheduler

        return getattr(param_scheduler.OneCycleParamScheduler, args[1])
    raise pickle.UnpicklingError('GLOBAL builtins.getattr is refused')


def _path(*parts: Any) -> Any:
    """A path in stored arguments: text, of whatever system."""
    from pathlib import Path

    if not all(type(part) is str for part in parts):
        raise _refuse('pathlib.Path')
    return Path(*parts)


def _config_dict(*args: Any) -> Any:
    from mmengine.config import ConfigDict

    if len(args) != 1 or type(args[0]) is not dict:
        raise _refuse('ConfigDict')
    return ConfigDict(args[0])


def _named(path: str, stand_in: Callable) -> Callable:
    """A stand-in under the name by which a file asks for it."""
    if isinstance(stand_in, type):
        stand_in.__module__, _, stand_in.__qualname__ = path.rpartition('.')
        return stand_in

    def alias(*args: Any) -> Any:
        return stand_in(*args)

    alias.__module__, _, alias.__qualname__ = path.rpartition('.')
    return alias


@cache
def _stand_ins() -> tuple[Callable, ...]:
    scheduler = 'mmengine.optim.scheduler.param_scheduler'
    return (
        _named('argparse.Namespace', Arguments),
        _named('builtins.bytes', _no_bytes),
        _named('builtins.getattr', _method),
        _named('mmengine.config.config.ConfigDict', _config_dict),
        _named('mmengine.logging.history_buffer.HistoryBuffer', History),
        _named(f'{scheduler}.OneCycleParamScheduler', Schedule),
        # Python 3.13 has them in a module of their own.
        *(
            _named(f'{module}.{name}', _path)
            for module in ('pathlib', 'pathlib._local')
            for name in ('PosixPath', 'WindowsPath')
        ),
        _named('numpy.dtype', DType),
        _named('numpy.ndarray', ArrayName),
        # An array that `_reconstruct` has made, under a name no file can say.
        _named('numpy\n.array', Array),
        # numpy 2 renamed its core: either reads the other's files.
        *(
            _named(f'numpy.{core}.multiarray.{name}', function)
            for core in ('core', '_core')
            for name, function in (
                ('_reconstruct', _reconstruct),
                ('scalar', _scalar),
            )
        ),
    )


def can_allow() -> bool:
    """Whether this torch can be told what to read (2.5 and later)."""
    import torch

    return hasattr(torch.serialization, 'safe_globals')


@contextmanager
def allowance() -> Iterator[None]:
    """Within it ``torch.load(weights_only=True)`` reads the stand-ins.

    What the process has allowed under the same names is put aside: torch would
    take either.
    """
    from torch import serialization

    stand_ins = list(_stand_ins())
    names = {_global_name(item) for item in stand_ins}
    others = serialization.get_safe_globals()
    aside = [item for item in others if _global_name(item) in names]
    serialization.clear_safe_globals()
    serialization.add_safe_globals(list(set(others) - set(aside)))
    try:
        with serialization.safe_globals(stand_ins):
            yield
    finally:
        serialization.add_safe_globals(aside)


def _global_name(item: Callable | tuple[Callable, str]) -> str:
    """By which name torch lets a file ask for it."""
    if isinstance(item, tuple):
        return item[1]
    return f'{item.__module__}.{item.__qualname__}'


def settle(content: Any) -> Any:
    """Puts the real objects in place of the stand-ins.

    Args:
        content (Any): What was read within :func:`allowance`.

    Returns:
        Any: The same containers, changed in place.

    Raises:
        UnpicklingError: If an object is incomplete, or nested too deep.
    """
    try:
        return _settle(content, {})
    except RecursionError as error:
        raise _refuse('(containers, nested too deep)') from error


def _settle(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, (Array, DType, History, Arguments)):
        if id(value) not in done:
            done[id(value)] = value.real()
        return done[id(value)]
    if not isinstance(value, (dict, list, tuple)) or id(value) in done:
        return done.get(id(value), value)
    done[id(value)] = value
    if isinstance(value, dict):
        for key, item in list(dict.items(value)):
            settled = _settle(item, done)
            if settled is not item:
                dict.__setitem__(value, key, settled)
    elif isinstance(value, list):
        value[:] = [_settle(item, done) for item in value]
    elif type(value) is tuple:
        settled = tuple(_settle(item, done) for item in value)
        if any(a is not b for a, b in zip(settled, value, strict=True)):
            done[id(value)] = settled
    return done[id(value)]
