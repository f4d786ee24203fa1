"""Inputs from links: files of a limited size, in a temporary folder."""

import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from mmuniformer.errors import UserError
from mmuniformer.prediction.sources import (
    PHOTOS,
    VIDEOS,
    kind_of_link,
    suffix_of_link,
)

# Seconds in which a server has to say something.
TIMEOUT = 30
BLOCK = 1 << 16
MEGABYTE = 10**6


class Fetched(NamedTuple):
    """A file that was downloaded.

    Attributes:
        path (Path): Where it lies; whoever asked for it deletes it.
        kind (str): 'photo' or 'video'.
    """

    path: Path
    kind: str


def fetch(link: str, folder: Path, limit: float) -> Fetched:
    """Downloads an input.

    Args:
        link (str): http or https.
        folder (Path): Where to.
        limit (float): Megabytes that it may have.

    Raises:
        UserError: If the server does not answer or not with the file, the
            connection ends before the file does, or the file is too large.
    """
    suffix = suffix_of_link(link)
    suffix = suffix if suffix in PHOTOS | VIDEOS else ''
    try:
        with (
            urllib.request.urlopen(_quoted(link), timeout=TIMEOUT) as answer,
            tempfile.NamedTemporaryFile(
                dir=folder, suffix=suffix, delete=False
            ) as file,
        ):
            stated = answer.headers.get('Content-Length', '')
            total = int(stated) if stated.isdigit() else None
            _check_size(link, total or 0, limit)
            come = 0
            while block := answer.read(BLOCK):
                come += len(block)
                _check_size(link, come, limit)
                file.write(block)
            # http.client does not mind a connection that ends early.
            if total is not None and come != total:
                raise OSError(f'it ended after {come} of {total} bytes')
            content_type = answer.headers.get_content_type()
    # A link that is none is a ValueError.
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(f'cannot download {link}: {error}') from error
    return Fetched(Path(file.name), kind_of_link(link, content_type))


def _quoted(link: str) -> str:
    """A link as servers take it: people type spaces and umlauts."""
    parts = urlsplit(link)
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return urlunsplit((parts.scheme, parts.netloc, path, query, ''))


def _check_size(link: str, size: int, limit: float) -> None:
    if size > limit * MEGABYTE:
        raise UserError(
            f'{link} has more than the {limit:g} MB that are downloaded at '
            'most; --max-download MB sets another limit'
        )
