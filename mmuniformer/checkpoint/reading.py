"""Reading checkpoint files without running what may be hidden in them."""

import re
import zipfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from urllib.parse import urlparse

import torch

from mmuniformer.checkpoint.downloading import (
    check_digest,
    download,
    is_link,
)
from mmuniformer.compat import checkpoint_types
from mmuniformer.compat.mmengine_checkpoint import (
    UnsafeCheckpoint,
    check_archive,
    is_malformed,
    refusal,
    settled,
)
from mmuniformer.errors import CheckpointError

# Full digests of published files, by name, as far as they are known.
KNOWN_SHA256 = {
    'uniformer_small_k400_16x4.pth': (
        '4829a6abe934a1c8083f377afea621f01d16bc4a93ce6ae74d7c5bea7eff6a7b'
    ),
    'uniformer_small_sthv2_16_prek400.pth': (
        '4f5df1bf569e7e0ead9ae9ea43ecef5a852ef14dcf67575e36aa3ce8edd0ed9f'
    ),
}
# OpenMMLab writes the first eight digits into the name: name-1713bcd4_date.pth
DIGEST_IN_NAME = re.compile(r'-([0-9a-f]{8})[_.]')


def read_checkpoint(
    source: str,
    sha256: str | None = None,
    map_location: str = 'cpu',
    mmap: bool = False,
) -> dict:
    """Reads a checkpoint from a path or URL.

    A pickle is read by ``torch.load`` with ``weights_only``: a file that
    would run code is refused. A ``.safetensors`` file cannot hold code.

    Args:
        source (str): Path, or http(s) URL (see :func:`download`).
        sha256 (str, optional): Digest that the file must have, or its first
            digits. For a URL, the digest known for that file or in its name
            is the default.
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
    if is_link(source):
        name = Path(urlparse(source).path).name
        in_name = DIGEST_IN_NAME.search(name)
        sha256 = sha256 or KNOWN_SHA256.get(name)
        sha256 = sha256 or (in_name.group(1) if in_name else None)
        path = download(source, sha256)
    else:
        path = Path(source).expanduser()
    if not path.is_file():
        raise CheckpointError(f'checkpoint {source} is not a file that exists')
    if sha256:
        check_digest(path, sha256, source)
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
