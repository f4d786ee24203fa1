"""JSON files of COCO's form, read once for all that look at them."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mmuniformer.checks.finding import Finding

# The lists of a file. pycocotools takes a file that lacks some of them.
PARTS = ('images', 'annotations', 'categories')
# Those of training and validation. Each takes gigabytes if it is COCO's.
_KEPT = 2
# Of a character in a JSON string, '\\u00e9'.
_ESCAPE = 6
# What other programs write, by keys that only they have, in place of COCO's.
_OTHER_FORMS = (
    ({'shapes', 'imagePath'}, "labelme's file of one image"),
    ({'_via_img_metadata'}, 'a project of the VGG Image Annotator'),
    ({'type', 'features'}, 'GeoJSON'),
)
_CONVERT = 'convert it to COCO (a dict of images, annotations and categories)'
_read: dict[tuple[str, int, int], 'CocoFile'] = {}


@dataclass(frozen=True)
class CocoFile:
    """A file that was read.

    Attributes:
        path (Path): As it was asked for.
        content (dict[str, list[dict]] or None): What it holds. Of
            :data:`PARTS` those that are there are lists of dicts. None if
            the findings have an error. It is shared: nobody changes it.
        findings (tuple[Finding, ...]): Why it cannot be read.
    """

    path: Path
    content: dict[str, Any] | None
    findings: tuple[Finding, ...] = ()


def read_coco(path: Path) -> CocoFile:
    """Reads a file, or takes it from what this process has just read.

    Args:
        path (Path): A file of this machine.
    """
    try:
        stat = path.stat()
    except OSError as error:
        what = f'{path} cannot be read ({error.strerror})'
        return CocoFile(path, None, (Finding(what, file=str(path)),))
    key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
    if key not in _read:
        while len(_read) >= _KEPT:
            del _read[next(iter(_read))]
        _read[key] = _load(path)
    return _read[key]


def forget_files() -> None:
    """Gives back the memory of all that was read."""
    _read.clear()


def _load(path: Path) -> CocoFile:
    try:
        with no_collection():
            content = _parse(path.read_bytes())
    except OSError as error:
        what, mend = f'cannot be read ({error.strerror})', ''
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        what, mend = what_is_no_json(error)
    except RecursionError:
        what, mend = 'is nested too deeply', _CONVERT
    else:
        what, mend = _what_is_no_coco(content), _CONVERT
        if not what:
            return CocoFile(path, content)
    finding = Finding(f'{path} {what}', mend, file=str(path))
    return CocoFile(path, None, (finding,))


def _parse(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # NaN, which JSON does not have and pycocotools reads; or damage.
        return json.loads(data.decode('utf-8'))


@contextmanager
def no_collection() -> Iterator[None]:
    """Millions of new objects are not searched again and again for cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def what_is_no_json(
    error: UnicodeDecodeError | json.JSONDecodeError,
) -> tuple[str, str]:
    """What is wrong with a file that cannot be parsed, and what to do.

    Args:
        error (UnicodeDecodeError or JSONDecodeError): Why it cannot be.
    """
    if isinstance(error, UnicodeDecodeError):
        what = f'is not text in UTF-8 (byte {error.start})'
        return what, 'save it as JSON in UTF-8'
    text = error.doc
    place = f'line {error.lineno}, column {error.colno}'
    if not text.strip():
        return 'is empty', 'copy it again'
    if text.startswith('\ufeff'):
        return 'begins with a byte-order mark', 'save it in UTF-8 without one'
    # An open string is reported where it begins, not where it ends.
    at_the_end = (
        not text[error.pos :].strip()
        or error.msg.startswith('Unterminated string')
        or ('escape' in error.msg and len(text) - error.pos < _ESCAPE)
    )
    if at_the_end:
        what = f'ends in the middle of its JSON ({place}: {error.msg})'
        return what, 'it was cut off: copy or write it again'
    near = text[max(0, error.pos - 20) : error.pos + 20]
    what = f'is no JSON ({place}: {error.msg}, near {near!r})'
    return what, 'copy it again, or mend it there'


def _what_is_no_coco(content: Any) -> str:
    """What is wrong with the form of a file; empty if nothing is."""
    if isinstance(content, list):
        what = 'is a list, and not a dict of images, annotations, categories'
        first = content[0] if content else None
        if isinstance(first, dict) and 'score' in first:
            what = 'is a list of results, as a detector writes them'
        return what
    if not isinstance(content, dict):
        return f'holds {_shown(content)}, and not a dict'
    for keys, name in _OTHER_FORMS:
        if keys <= set(content) and 'images' not in content:
            return f'is {name}, and not of the form of COCO'
    for part in PARTS:
        entries = content.get(part, [])
        if not isinstance(entries, list):
            return f'has {part} that are {_shown(entries)}, and not a list'
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                return f'has {part}[{number}] that is {_shown(entry)}'
    return ''


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
