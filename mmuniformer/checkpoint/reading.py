"""Reading checkpoint files without running what may be hidden in them."""

import zipfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from mmuniformer.compat import checkpoint_types
from mmuniformer.compat.mmengine_checkpoint import (
    UnsafeCheckpoint,
    check_archive,
    is_malformed,
    refusal,
    settled,
)
from mmuniformer.errors import CheckpointError
from mmuniformer.zoo import file_of


def read_checkpoint(
    source: str,
    sha256: str | None = None,
    map_location: str = 'cpu',
    mmap: bool = False,
) -> dict:
    """Reads a checkpoint from a path, a URL or by the name of a published one.

    A pickle is read by ``torch.load`` with ``weights_only``: a file that
    would run code is refused. A ``.safetensors`` file cannot hold code.

    Args:
        source (str): Path, http(s) URL, or name of the catalogue (see
            :func:`mmuniformer.zoo.file_of`).
        sha256 (str, optional): Digest that the file must have, or its first
            digits. For a published file, the digest known of it or in its
            name is the default.
        map_location (str): Device to put the tensors on.
        mmap (bool): Whether tensors stay in the file until they are looked
            at, for a caller who reads little of it. The file must stay as it
            is meanwhile. Of no effect for a file of torch before 1.6.

    Returns:
        dict: What the file holds: a state dict, or a dict with one inside.

    Raises:
        CheckpointError: If the file is absent, cannot be downloaded, has
            another digest, is damaged, or would run code.
    """
    source = str(source)
    path = file_of(source, sha256)
    return _load(path, map_location, mmap, source)


def check_whole(path: str | Path) -> None:
    """Compares the checksums of a local file, and reads nothing else of it.

    Raises:
        CheckpointError: If it is damaged.
    """
    try:
        check_archive(path)
    except UnsafeCheckpoint as error:
        raise CheckpointError(str(error)) from error


def _load(path: Path, map_location: str, mmap: bool, source: str) -> dict:
    try:
        if path.suffix == '.safetensors':
            from safetensors.torch import load_file

            return load_file(path, device=str(map_location))
        check_archive(path)
        with _allowance():
            content = torch.load(
                str(path),
                map_location=map_location,
                weights_only=True,
                mmap=mmap and zipfile.is_zipfile(path),
            )
        content = settled(content, source)
    except UnsafeCheckpoint as error:
        raise CheckpointError(str(error)) from error
    except Exception as error:
        if is_malformed(error):
            words = str(refusal(source, error, path))
            raise CheckpointError(words) from error
        raise
    if not isinstance(content, dict):
        raise CheckpointError(
            f'{source} holds a {type(content).__name__}, not a state dict'
        )
    return content


def _allowance() -> AbstractContextManager:
    if checkpoint_types.can_allow():
        return checkpoint_types.allowance()
    return nullcontext()
