"""Resuming, with ``weights_only`` on.

Defect: mmengine calls ``torch.load`` with its default. From torch 2.6 on that
is ``weights_only=True``, which does not know the types in mmengine's own
checkpoints: ``--resume`` dies with ``Weights only load failed ...
HistoryBuffer``. Before 2.6, and in an mmengine that passes ``False``, the
whole pickle is run: a file from anywhere may run code. So it is in the fork,
which reads a file that ``weights_only`` refuses again without it, and allows
``getattr`` before that.
Applies to: mmengine 0.10.7 and earlier; onedl-mmengine 0.10.12.
Upstream: https://github.com/open-mmlab/mmengine/issues/1655
Gone when: mmengine reads with ``weights_only`` and allows its own types; a
refusal is then still said in one line.

From torch 2.5 on, where types can be allowed for one reading, everything that
mmengine's loader reads is read with ``weights_only`` and with the forms of
:mod:`checkpoint_types`, after its checksums were compared, and the config text
in it is parsed (:mod:`checkpoint_text`). A refused file is an
:class:`UnsafeCheckpoint`.
On torch 2.1 to 2.4 mmengine reads files as it always did: resume only from
files you trust. ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``, torch's own switch,
turns the protection off.
"""

from __future__ import annotations

import errno
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mmuniformer.compat import checkpoint_text, checkpoint_types
from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import is_replaced, replace_once
from mmuniformer.compat.status import Status
from mmuniformer.compat.versions import installed, release

_FORCE = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
_FORCE_NOT = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
_TRUE = ('1', 'y', 'yes', 'true')  # as torch reads them
_NEWER_TORCH = 'pip install "torch>=2.10"'
# What torch raises at a pickle that was cut off or made up.
_OF_PICKLES = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
    struct.error,
)
# How many times the size of an archive its parts may have.
_SWELLING = 20
# What a RuntimeError says that is about this machine, not about the file.
_OF_DEVICES = ('deserialize object on', 'CUDA error', 'out of memory')


class UnsafeCheckpoint(pickle.UnpicklingError):
    """A checkpoint file that is damaged, or would run code when read."""


def refusal(
    filename: str, error: Exception, path: str | os.PathLike | None = None
) -> UnsafeCheckpoint:
    """An error of ``torch.load`` in one line that names file and reason.

    Args:
        filename (str): The checkpoint.
        error (Exception): What reading it raised.
        path (str or PathLike, optional): Where it lies, if the name is a
            link.

    Returns:
        UnsafeCheckpoint: To be raised.
    """
    found = re.search(r'GLOBAL (\S+)|Unsupported class (\S+)', str(error))
    if found is None and 'Unsupported operand 149' in str(error):
        return UnsafeCheckpoint(
            f'{filename} was refused: it is a pickle of protocol 4 or later, '
            'which torch does not read as data. Save it again with the '
            'protocol of torch.save, which is 2'
        )
    if found is None:
        return UnsafeCheckpoint(
            f'{filename} is no checkpoint, or a damaged one'
            f'{_start_of(path or filename)}. Download or copy it again'
        )
    return UnsafeCheckpoint(
        f'{filename} was refused: it holds {found[1] or found[2]}, which is '
        'no tensor and could run code when it is read. If you trust its '
        'origin, save its state dict alone to a new file'
    )


def _start_of(path: str | os.PathLike) -> str:
    """What a file begins with: a web page, often."""
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        return ''
    with open(path, 'rb') as file:
        start = file.read(24)
    return f': {os.path.getsize(path)} bytes that begin with {start!r}'


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


def is_malformed(error: Exception) -> bool:
    """Whether ``torch.load`` fails so at a file that is no checkpoint.

    Other errors, such as that of a device which is not there, are not about
    the file.
    """
    if isinstance(error, OSError):
        # A place in the file that is not there; not a file that is missing.
        return error.errno == errno.EINVAL
    if isinstance(error, RuntimeError):
        return not any(word in str(error) for word in _OF_DEVICES)
    # safetensors has an exception class of its own, and no other base.
    named = type(error).__name__ == 'SafetensorError'
    return named or isinstance(error, _OF_PICKLES)


def check_archive(path: str | os.PathLike) -> None:
    """Compares the checksum of every part of a checkpoint.

    torch writes a zip archive with one for each tensor, and looks at none when
    it reads. An older file, which is no archive, has none.

    Args:
        path (str or PathLike): A local file.

    Raises:
        UnsafeCheckpoint: If a part is not what was written.
    """
    try:
        if not zipfile.is_zipfile(path):
            return
        size = os.path.getsize(path)
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            # torch compresses nothing; a small file may not fill the memory.
            if sum(part.file_size for part in parts) > _SWELLING * size:
                raise UnsafeCheckpoint(
                    f'{path} is no checkpoint: its parts are more than '
                    f'{_SWELLING} times as large as the file'
                )
            # torch.serialization.set_crc32_options(False) leaves all at 0.
            if not any(part.CRC for part in parts):
                return
            damaged = archive.testzip()
    except UnsafeCheckpoint:
        raise
    # A damaged directory of an archive may raise anything.
    except Exception as error:
        raise refusal(str(path), error) from error
    if damaged is not None:
        raise UnsafeCheckpoint(
            f'{path} is damaged: the checksum of {damaged} in it is another '
            'one; download or copy it again'
        )


def settled(content: Any, filename: str) -> Any:
    """What was read within the allowance, as plain data.

    Args:
        content (Any): From ``torch.load`` within
            :func:`checkpoint_types.allowance`.
        filename (str): The checkpoint.

    Raises:
        UnsafeCheckpoint: If it holds more than data.
    """
    try:
        content = checkpoint_types.settle(content)
    except pickle.UnpicklingError as error:
        raise refusal(filename, error) from error
    # The file may have put a `get` of its own on a mapping.
    is_dict = isinstance(content, dict)
    state = dict.get(content, 'state_dict', {}) if is_dict else {}
    if not isinstance(state, dict):
        raise UnsafeCheckpoint(
            f'{filename} is no checkpoint: its state_dict is a '
            f'{type(state).__name__}'
        )
    odd = next((key for key in state if not isinstance(key, str)), None)
    if odd is not None:
        raise UnsafeCheckpoint(
            f'{filename} is no checkpoint: its state_dict has a '
            f'{type(odd).__name__} for a name'
        )
    try:
        checkpoint_text.check_texts(content)
    except ValueError as error:
        raise UnsafeCheckpoint(
            f'{filename} was refused: the config text in it ({error}) would '
            'be run. If you trust its origin, save its state dict alone to a '
            'new file'
        ) from error
    return content


def _is_off() -> bool:
    return os.environ.get(_FORCE_NOT, '').lower() in _TRUE


def _refusing(original: Callable) -> Callable:
    def load_checkpoint(cls, filename, *args, **kwargs):
        if _is_off():
            return original(cls, filename, *args, **kwargs)
        path = os.path.expanduser(filename)
        if os.path.isfile(path):
            check_archive(path)
        try:
            with _weights_only(), checkpoint_types.allowance():
                content = original(cls, filename, *args, **kwargs)
        except Exception as error:
            refused = isinstance(error, pickle.UnpicklingError)
            if refused or (is_malformed(error) and os.path.isfile(path)):
                raise refusal(filename, error) from error
            raise
        return settled(content, filename)

    return load_checkpoint


def _once(original: Callable) -> Callable:
    """The fork's reading without what it allows, and without a second try."""

    def _safe_torch_load(file, map_location=None, weights_only=None):
        if _is_off():
            return original(file, map_location, weights_only)
        import torch

        return torch.load(file, map_location, weights_only=weights_only)

    return _safe_torch_load


def _patch(checkpoint: ModuleType) -> None:
    if checkpoint_types.can_allow():
        loader = checkpoint.CheckpointLoader
        replace_once(loader, 'load_checkpoint', _refusing, by=__name__)
        if hasattr(checkpoint, '_safe_torch_load'):
            replace_once(checkpoint, '_safe_torch_load', _once, by=__name__)


def apply() -> None:
    after_import('mmengine.runner.checkpoint', _patch)


def status() -> Status:
    name = 'resume, weights_only'
    torch = installed('torch')
    if not installed('mmengine') or not torch:
        return Status(name, 'missing', 'needs torch and mmengine')
    if release(torch) < (2, 6):
        return Status(
            name,
            'broken',
            f'torch {torch} may run code of a checkpoint, with weights_only '
            'too (CVE-2025-32434): read only files you trust',
            _NEWER_TORCH,
        )
    if release(torch) < (2, 10):
        return Status(
            name,
            'outdated',
            f'weights_only of torch {torch} has a known hole '
            '(CVE-2026-24747): read only files you trust',
            _NEWER_TORCH,
        )
    from mmengine.runner.checkpoint import CheckpointLoader

    if is_replaced(CheckpointLoader.load_checkpoint, by=__name__):
        return Status(
            name,
            'active',
            'loads checkpoints of mmengine, refuses other types',
        )
    return Status(name, 'broken', 'mmengine reads checkpoints as it would')
