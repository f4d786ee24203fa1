"""Getting checkpoint files from links: whole, and each link its own file."""

import hashlib
import logging
import os
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from rich.progress import wrap_file

from mmuniformer.errors import CheckpointError

# Seconds in which a server has to say something.
TIMEOUT = 30
BLOCK = 1 << 20  # bytes


def is_link(source: str) -> bool:
    """Whether a checkpoint is named by an http(s) link."""
    return urlparse(source).scheme in ('http', 'https')


def download(url: str, sha256: str | None = None) -> Path:
    """Gets a file, or finds it where it was put before.

    What was downloaded is kept below ``torch.hub.get_dir()``, in a folder for
    each link: two links may end in one name. A file appears there only after
    it has come whole and its digest is right.

    Args:
        url (str): An http(s) link.
        sha256 (str, optional): Digest that the file must have, or its first
            digits.

    Returns:
        Path: The file.

    Raises:
        CheckpointError: If the server does not answer or not with the file,
            the connection ends before the file does, or the digest is
            another one.
    """
    if url.startswith('http://') and sha256 is None:
        print_log(
            f'{url} comes without encryption and without a digest to compare: '
            'whoever is on the way can exchange it. Take https, or give '
            'sha256.',
            logger='current',
            level=logging.WARNING,
        )
    folder = hashlib.sha256(url.encode()).hexdigest()[:12]
    name = Path(urlparse(url).path).name or 'checkpoint.pth'
    path = Path(torch.hub.get_dir(), 'checkpoints', folder, name)
    # One process first, so that others find the file; then those of nodes
    # that do not share the folder.
    for my_turn in (is_main_process(), True):
        if my_turn and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, path, sha256)
        barrier()
    return path


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            _copy(url, file)
        if sha256:
            check_digest(Path(partial), sha256, url)
        os.replace(partial, path)
    except (OSError, HTTPException) as error:
        raise CheckpointError(
            f'cannot download {url}: {error}. Download it where there is a '
            'network and give its path instead'
        ) from error
    finally:
        Path(partial).unlink(missing_ok=True)


def _copy(url: str, file: BinaryIO) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        stated = answer.headers.get('Content-Length')
        total = int(stated) if stated and stated.isdigit() else None
        with wrap_file(
            answer,
            total=total or 0,
            description=Path(url).name,
            transient=True,
        ) as source:
            come = 0
            while block := source.read(BLOCK):
                file.write(block)
                come += len(block)
    # http.client does not mind a connection that ends early.
    if total is not None and come != total:
        raise OSError(f'the connection ended after {come} of {total} bytes')


def check_digest(path: Path, expected: str, source: str) -> None:
    """Compares a file with the digest that it should have.

    Args:
        path (Path): The file.
        expected (str): Its SHA-256, or the first digits.
        source (str): Path or link, for the message.

    Raises:
        CheckpointError: If they differ.
    """
    with path.open('rb') as file:
        actual = hashlib.file_digest(file, 'sha256').hexdigest()
    if not actual.startswith(expected.lower()):
        raise CheckpointError(
            f'{source} has SHA-256 {actual}, expected {expected}: the file '
            f'({path}) is damaged or another one; delete it and try again'
        )
