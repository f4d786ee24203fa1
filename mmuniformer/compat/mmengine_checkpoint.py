"""Resuming, with ``weights_only`` on.

Defect: mmengine calls ``torch.load`` with its default. From torch 2.6 on that
is ``weights_only=True``, which does not know the types in mmengine's own
checkpoints: ``--resume`` dies with ``Weights only load failed ...
HistoryBuffer``. Before 2.6, and in an mmengine that passes ``False``, the
whole pickle is run: a file from anywhere may run code.
Applies to: mmengine 0.10.7 and earlier.
Upstream: https://github.com/open-mmlab/mmengine/issues/1655
Gone when: mmengine reads with ``weights_only`` and allows its own types; a
refusal is then still said in one line.

From torch 2.4 on, where types can be allowed, exactly the types that
mmengine's checkpoints hold are allowed, and everything that mmengine's loader
reads is read with ``weights_only``. A refused file is an
:class:`UnsafeCheckpoint`.
On torch 2.1 to 2.3 mmengine reads files as it always did: resume only from
files you trust. ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``, torch's own switch,
turns the protection off.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed, release

_FORCE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_FORCE_NOT = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
_TRUE = ('1', 'y', 'yes', 'true')  # as torch reads them


class UnsafeCheckpoint(pickle.UnpicklingError):
    """A checkpoint file that is damaged, or would run code when read."""


def _named(path: str, function: Callable) -> Callable:
    """A function that unpickling finds under another name."""

    def alias(*args):
        return function(*args)

    alias.__module__, _, alias.__qualname__ = path.rpartition('.')
    alias.__name__ = alias.__qualname__
    return alias


def checkpoint_types() -> list[Callable]:
    """What mmengine's checkpoints hold, besides tensors and containers.

    Loss histories are a ``HistoryBuffer`` of two arrays; metrics, hooks and
    the data set's ``metainfo`` leave numpy scalars and arrays and, from a
    config, ``ConfigDict``. Methods of mmengine are pickled as a call of
    ``getattr``, which is allowed for just these.
    """
    import numpy as np
    from mmengine.config import ConfigDict
    from mmengine.logging.history_buffer import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import (
        OneCycleParamScheduler,
    )

    methods = {
        (HistoryBuffer, 'current'),
        (HistoryBuffer, 'max'),
        (HistoryBuffer, 'mean'),
        (HistoryBuffer, 'min'),
        (OneCycleParamScheduler, '_annealing_cos'),
        (OneCycleParamScheduler, '_annealing_linear'),
    }

    def method(owner: type, name: str) -> Callable:
        if (owner, name) not in methods:
            raise pickle.UnpicklingError('GLOBAL builtins.getattr is refused')
        return getattr(owner, name)

    core = np._core if hasattr(np, '_core') else np.core
    numpy_functions = (core.multiarray._reconstruct, core.multiarray.scalar)
    dtypes = {type(np.dtype(code)) for code in '?bhilqBHILQefdU'}
    return [
        ConfigDict,
        HistoryBuffer,
        OneCycleParamScheduler,
        _named('builtins.getattr', method),
        np.ndarray,
        np.dtype,
        *sorted(dtypes, key=lambda dtype: dtype.__name__),
        # numpy 2 renamed its core: either reads the other's files.
        *(
            _named(f'numpy.{name}.multiarray.{function.__name__}', function)
            for function in numpy_functions
            for name in ('core', '_core')
        ),
    ]


def refusal(filename: str, error: Exception) -> UnsafeCheckpoint:
    """An error of ``torch.load`` in one line that names file and reason.

    Args:
        filename (str): The checkpoint.
        error (Exception): What reading it raised.

    Returns:
        UnsafeCheckpoint: To be raised.
    """
    found = re.search(r'GLOBAL (\S+)|Unsupported class (\S+)', str(error))
    if found is None:
        return UnsafeCheckpoint(
            f'{filename} is no checkpoint, or a damaged one: '
            'download or copy it again'
        )
    return UnsafeCheckpoint(
        f'{filename} was refused: it holds {found[1] or found[2]}, which is '
        'no tensor and could run code when it is read. If you trust its '
        'origin, save its state dict alone to a new file'
    )


@contextmanager
def _weights_only() -> Iterator[None]:
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


@cache
def allow_checkpoint_types() -> bool:
    """Has ``torch.load(weights_only=True)`` read mmengine's checkpoints.

    Returns:
        bool: Whether this torch can be told (2.4 and later).
    """
    import torch

    if not hasattr(torch.serialization, 'add_safe_globals'):
        return False
    torch.serialization.add_safe_globals(checkpoint_types())
    return True


def _refusing(original: Callable) -> Callable:
    def load_checkpoint(cls, filename, *args, **kwargs):
        if os.environ.get(_FORCE_NOT, '').lower() in _TRUE:
            return original(cls, filename, *args, **kwargs)
        try:
            with _weights_only():
                return original(cls, filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            raise refusal(filename, error) from error
        except (EOFError, KeyError) as error:
            # What torch makes of a file that is no pickle at all.
            if not os.path.isfile(filename):
                raise
            raise refusal(filename, error) from error

    return load_checkpoint


def _patch(checkpoint: ModuleType) -> None:
    if allow_checkpoint_types():
        loader = checkpoint.CheckpointLoader
        replace_once(loader, 'load_checkpoint', _refusing, by=__name__)


def apply() -> None:
    after_import('mmengine.runner.checkpoint', _patch)


def status() -> Status:
    name = 'resume, weights_only'
    torch = installed('torch')
    if not installed('mmengine') or not torch:
        return Status(name, 'missing', 'needs torch and mmengine')
    if release(torch) < (2, 4):
        return Status(
            name,
            'not needed',
            f'torch {torch} runs the pickles that it loads: resume only '
            'from files you trust',
        )
    from mmengine.runner.checkpoint import CheckpointLoader

    if is_replaced(CheckpointLoader.load_checkpoint, by=__name__):
        return Status(
            name,
            'active',
            'loads checkpoints of mmengine, refuses other types',
        )
    return Status(name, 'broken', 'mmengine reads checkpoints as it would')
