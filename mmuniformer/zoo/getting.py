"""A name, an address or a path becomes a file."""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlparse

from mmuniformer.errors import CheckpointError
from mmuniformer.zoo.catalogue import HUGGING_FACE, Weights, weights
from mmuniformer.zoo.downloading import NotGot, fetch
from mmuniformer.zoo.names import find, hint

# Folder of files that are taken without a network.
FOLDER = 'MMUNIFORMER_WEIGHTS'
# Address of a folder that has files of the catalogue by their names.
MIRROR = 'MMUNIFORMER_MIRROR'
# Address instead of https://huggingface.co, as huggingface_hub has it.
HF_ENDPOINT = 'HF_ENDPOINT'
# What torch.save writes: a ZIP file, and before torch 1.6 a pickle.
BEGINNINGS = (b'PK\x03\x04', b'\x80')
# OpenMMLab writes the first eight digits into the name: name-1713bcd4_date.pth
DIGEST_IN_NAME = re.compile(r'-([0-9a-f]{8})[_.]')


def is_link(source: str) -> bool:
    """Whether a file is named by an http(s) link."""
    return urlparse(source).scheme in ('http', 'https')


def file_of(source: str, sha256: str | None = None) -> Path:
    """The file that a path, a link or a name of the catalogue stands for.

    A file that exists is that file. What is downloaded is kept below
    ``torch.hub.get_dir()``, in a folder for each link: two links may end in
    one name. In a run of several processes all of them have to call this.

    Args:
        source (str): A path, an http(s) link, or what :func:`find` takes.
        sha256 (str, optional): Digest that the file must have, or its first
            digits. The one that is known of a published file is the default.

    Returns:
        Path: The file.

    Raises:
        CheckpointError: If there is no such file or name, it cannot be got,
            or it has another size or digest.
    """
    path = Path(source).expanduser()
    published = find(source)
    is_here = not is_link(source) and path.is_file()
    if not is_here and published is not None:
        path = _weights(published)
    elif is_link(source):
        return _cached(source, Path(urlparse(source).path).name, sha256)
    elif not is_here:
        raise CheckpointError(
            f'checkpoint {source} is not a file that exists{hint(source)}'
        )
    if sha256:
        check_digest(path, sha256, source)
    return path


def get(published: Weights, folder: str | Path | None = None) -> Path:
    """Gets a file of the catalogue.

    Args:
        published (Weights): The file.
        folder (str or Path, optional): Where to put it, instead of the cache.

    Returns:
        Path: The file; one that is there already is looked at and taken.

    Raises:
        CheckpointError: If it cannot be got, or has another size or digest.
    """
    if folder is None:
        return _weights(published)
    here = _offline(published)
    path = Path(folder).expanduser() / published.kept_as
    if path.is_file():
        check(path, published)
    elif here is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        copied = path.with_name(f'.{path.name}.copy')
        shutil.copyfile(here, copied)
        os.replace(copied, path)
    else:
        _download(published, path)
    return path


def check(path: Path, published: Weights) -> None:
    """Looks whether a file is the published one, as far as that is known.

    Of a file with neither, whether it begins as a checkpoint does.

    Args:
        path (Path): The file.
        published (Weights): What it should be.

    Raises:
        CheckpointError: If its size or digest is another one.
    """
    by = published.digest_by
    word = f' (the word of {by})' if by else ''
    size = path.stat().st_size
    if published.size not in (None, size):
        raise CheckpointError(
            f'{published.name} has {size} bytes, expected {published.size}'
            f'{word}: the file ({path}) is damaged or another one; delete it '
            'and try again'
        )
    if not (published.size or published.sha256 or published.md5):
        with path.open('rb') as file:
            begins = file.read(4)
        if not begins.startswith(BEGINNINGS):
            raise CheckpointError(
                f'{path} of {size} bytes is no checkpoint: it may be a web '
                'page, the pointer of git-lfs or cut off; get '
                f'{published.kept_as} again'
            )
    for kind in ('sha256', 'md5'):
        digest = getattr(published, kind)
        if digest is not None:
            check_digest(path, digest, published.name, kind, word)


def check_digest(
    path: Path,
    expected: str,
    source: str,
    kind: str = 'sha256',
    word: str = '',
) -> None:
    """Compares a file with the digest that it should have.

    Args:
        path (Path): The file.
        expected (str): Its digest, or the first digits.
        source (str): What it was named by, for the message.
        kind (str): 'sha256' or 'md5'.
        word (str): Whose word it is, for the message.

    Raises:
        CheckpointError: If they differ.
    """
    with path.open('rb') as file:
        actual = hashlib.file_digest(file, kind).hexdigest()
    if not actual.startswith(expected.lower()):
        name = {'sha256': 'SHA-256', 'md5': 'MD5'}[kind]
        raise CheckpointError(
            f'{source} has {name} {actual}, expected {expected}{word}: the '
            f'file ({path}) is damaged or another one; delete it and try again'
        )


def _offline(published: Weights) -> Path | None:
    """The file in the user's own folder, if it is there."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    path = Path(folder).expanduser() / published.kept_as
    if not path.is_file():
        return None
    check(path, published)
    return path


def _told_of_folder(name: str) -> str:
    """Why a file was not in the user's own folder; empty without one."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return ''
    if not Path(folder).expanduser().is_dir():
        return f'{FOLDER} names {folder}, which is no folder; '
    return f'{name} is not in {folder} ({FOLDER}); '


def _weights(published: Weights) -> Path:
    """A file of the catalogue: the user's own, or that of the cache."""
    offline = _offline(published)
    path = _in_cache(published.url or '', published.kept_as)

    def download(path: Path) -> None:
        if offline is None:
            _download(published, path)

    # By all processes: not every machine may have the user's folder.
    _one_after_another(path, download)
    if offline is not None:
        return offline
    check(path, published)
    return path


def _cached(url: str, name: str, sha256: str | None) -> Path:
    """A file that is in no catalogue."""
    sha256 = sha256 or _digest_by_name(name)
    path = _in_cache(url, name or 'checkpoint.pth')
    if url.startswith('http://') and sha256 is None:
        from mmengine.logging import print_log

        print_log(
            f'{url} comes without encryption and without a digest to compare: '
            'whoever is on the way can exchange it. Take https, or give '
            'sha256.',
            logger='current',
            level=logging.WARNING,
        )

    def download(path: Path) -> None:
        def check(got: Path) -> None:
            if sha256:
                check_digest(got, sha256, url)

        try:
            fetch(_of_endpoint(url), path, check)
        except NotGot as error:
            raise CheckpointError(
                f'cannot download {url}: {error}. Download it where there is '
                'a network and give its path instead'
            ) from error

    _one_after_another(path, download)
    if sha256:
        check_digest(path, sha256, url)
    return path


def _digest_by_name(name: str) -> str | None:
    for published in weights():
        full = published.sha256 and len(published.sha256) == 64
        if full and name == published.file:
            return published.sha256
    in_name = DIGEST_IN_NAME.search(name)
    return in_name.group(1) if in_name else None


def _in_cache(url: str, name: str) -> Path:
    import torch

    folder = hashlib.sha256(url.encode()).hexdigest()[:12]
    return Path(torch.hub.get_dir(), 'checkpoints', folder, name)


def _one_after_another(path: Path, get: Callable[[Path], None]) -> None:
    """One process first, so that others find the file; then the others.

    Those of nodes that do not share the folder get it themselves.
    """
    from mmengine.dist import barrier, is_main_process

    for my_turn in (is_main_process(), True):
        if my_turn and not path.is_file():
            get(path)
        barrier()


def _download(published: Weights, path: Path) -> None:
    """Tries all addresses of a file.

    Raises:
        CheckpointError: If it is at none of them; the message says where it
            was looked for and where to put it.
    """
    reasons = []
    for url in _addresses(published):
        try:
            return fetch(url, path, partial(check, published=published))
        except NotGot as error:
            reasons.append(f'{url}: {error}')
    told = '; '.join(reasons) or 'the name of its file is not known'
    offline = _told_of_folder(published.kept_as)
    raise CheckpointError(
        f'cannot get {published.name}: {offline}{told}. Get '
        f'{published.kept_as} where there is a network, and put it into the '
        f'folder that {FOLDER} names, '
        'or give its path instead'
    )


def _addresses(published: Weights) -> Iterator[str]:
    mirror = os.environ.get(MIRROR)
    if mirror:
        yield f'{mirror.rstrip("/")}/{published.kept_as}'
    if published.url is not None:
        yield _of_endpoint(published.url)


def _of_endpoint(url: str) -> str:
    endpoint = os.environ.get(HF_ENDPOINT)
    if endpoint and url.startswith(f'{HUGGING_FACE}/'):
        return endpoint.rstrip('/') + url.removeprefix(HUGGING_FACE)
    return url
