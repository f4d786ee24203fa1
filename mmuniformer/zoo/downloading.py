"""Downloads that go on where they ended, and appear whole or not at all."""

import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mmuniformer.zoo.catalogue import GOOGLE_DRIVE

# Seconds in which a server has to say something.
TIMEOUT = 30
BLOCK = 1 << 20  # bytes
PARTIAL = '.partial'
RANGE_NOT_SATISFIABLE = 416
PART = 206


class NotGot(OSError):
    """Why a file did not come, in words."""


def fetch(
    url: str, path: Path, check: Callable[[Path], None] | None = None
) -> None:
    """Gets a file from one address.

    What has come of a file that is not whole stays beside it
    (``NAME.partial``), and the next call asks for the rest, as long as the
    server still has the same file: if it names its version by an ETag or a
    date. One process at a time fetches a file.

    Args:
        url (str): An http(s) address, or that of a file on Google Drive.
        path (Path): Where the file appears when it is whole and right.
        check (Callable, optional): Raises if a file is not the right one,
            which is then removed.

    Raises:
        NotGot: If the server does not answer or not with the file, or the
            connection ends before the file does.
        CheckpointError: What ``check`` raises.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f'.{path.name}.lock')
    with FileLock(lock):
        if path.is_file():
            # Another process has got it meanwhile.
            return
        try:
            if url.startswith(GOOGLE_DRIVE):
                partial = _fetch_from_drive(url, path)
            else:
                partial = _fetch(url, path)
        except (OSError, HTTPException) as error:
            raise NotGot(_words(error)) from error
        _tag(path).unlink(missing_ok=True)
        try:
            if check is not None:
                check(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        # Whoever waits for it finds the file, as does who makes a new one.
        lock.unlink(missing_ok=True)


def _fetch(url: str, path: Path) -> Path:
    partial = path.with_name(path.name + PARTIAL)
    version = _read_tag(path, url)
    come = partial.stat().st_size if version and partial.is_file() else 0
    headers = {}
    if come:
        headers = {'Range': f'bytes={come}-', 'If-Range': version}
    try:
        answer = _open(url, headers)
    except HTTPError as error:
        if not come or error.code != RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get('Content-Range') == f'bytes */{come}':
            # The process was killed before the file got its name.
            return partial
        come, answer = 0, _open(url, {})
    with answer:
        come = _start_of_range(answer, come)
        _check_kind(answer)
        total = _length(answer)
        total = None if total is None else come + total
        _write_tag(path, url, answer)
        with (
            partial.open('r+b' if come else 'wb') as file,
            shown(path.name, come, total) as show,
        ):
            file.seek(come)
            file.truncate()
            while block := answer.read(BLOCK):
                file.write(block)
                come += len(block)
                show(come, total)
    # http.client does not mind a connection that ends early.
    if total is not None and come != total:
        raise NotGot(
            f'the connection ended after {come} of {total} bytes; the same '
            'command goes on from there, where the server can'
        )
    return partial


def _open(url: str, headers: dict[str, str]) -> HTTPResponse:
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, timeout=TIMEOUT)


def _check_kind(answer: HTTPResponse) -> None:
    """Refuses a page: of a login, a quota or a proxy."""
    kind = answer.headers.get_content_type()
    if kind == 'text/html':
        raise NotGot('the server answers with a web page, not with the file')


def _length(answer: HTTPResponse) -> int | None:
    stated = answer.headers.get('Content-Length')
    return int(stated) if stated and stated.isdigit() else None


def _start_of_range(answer: HTTPResponse, asked: int) -> int:
    """Where in the file an answer begins; a server may send all of it."""
    if answer.status != PART:
        return 0
    stated = answer.headers.get('Content-Range', '')
    if not stated.startswith(f'bytes {asked}-'):
        raise NotGot(f'the server sends {stated or "another part"}')
    return asked


def _tag(path: Path) -> Path:
    """Tells which version of which file the partial one is of."""
    return path.with_name(path.name + PARTIAL + '.json')


def _read_tag(path: Path, url: str) -> str | None:
    try:
        tag = json.loads(_tag(path).read_text())
        return tag['version'] if tag['url'] == url else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _write_tag(path: Path, url: str, answer: HTTPResponse) -> None:
    version = answer.headers.get('ETag')
    if version is None or version.startswith('W/'):
        # A weak one may be that of other bytes.
        version = answer.headers.get('Last-Modified')
    _tag(path).write_text(json.dumps(dict(url=url, version=version)))


def _fetch_from_drive(url: str, path: Path) -> Path:
    """By gdown, which gets past the page in front of large files.

    It has partial files of its own, and goes on with them.
    """
    try:
        import gdown
    except ImportError as error:
        raise NotGot(
            'files of Google Drive need gdown: pip install gdown'
        ) from error
    partial = path.with_name(f'{path.name}.drive')
    with shown(path.name, 0, None) as show:
        try:
            gdown.download(
                url,
                str(partial),
                quiet=True,
                use_cookies=False,
                resume=True,
                progress=show,
                timeout=TIMEOUT,
            )
        except gdown.exceptions.DownloadError as error:
            raise NotGot(' '.join(str(error).split())) from error
    return partial


@contextmanager
def shown(
    name: str, come: int, total: int | None
) -> Iterator[Callable[[int, int | None], None]]:
    """Shows how much of a file has come, on a terminal.

    Args:
        name (str): Of the file.
        come (int): Bytes that are here.
        total (int, optional): Bytes of the whole file.

    Yields:
        Callable: To be called with both as they change.
    """
    console = Console(file=sys.stderr)
    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(name, completed=come, total=total)
        yield lambda come, total: progress.update(
            task, completed=come, total=total
        )


def _words(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return str(reason) or type(error).__name__
