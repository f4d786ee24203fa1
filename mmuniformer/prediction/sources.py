"""What is to be read, and what the outputs of each input are named."""

import glob
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mmuniformer.checks.walking import walk_files
from mmuniformer.errors import UserError

PHOTOS = frozenset(
    (
        *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.dib', '.tif'),
        *('.tiff', '.webp', '.jp2', '.ppm', '.pgm', '.pbm', '.pnm', '.avif'),
    )
)
VIDEOS = frozenset(
    (
        *('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg'),
        *('.wmv', '.flv', '.ts', '.mts', '.3gp', '.ogv', '.gif'),
    )
)
# Photos of telephones and cameras that no library here reads.
UNREAD = frozenset(('.heic', '.heif', '.dng', '.cr2', '.cr3', '.nef', '.arw'))
# The word for a list of inputs on the standard input, a line for each.
STDIN = '-'
LINK = re.compile('https?://', re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One input: a photo, a video, a camera or a link to one.

    Attributes:
        file (str): Path, link, or number of the camera, as it was given.
        kind (str): 'photo', 'video', 'camera' or 'link'.
        below (tuple[str, ...]): Folders between what was named and the file:
            its outputs are in them, too.
        output (str): Name of its outputs without suffix, with folders;
            another one for each input.
        problem (str): Why it cannot be read, if that is known already.
        found (bool): Whether it was found in a folder, and not named itself.
    """

    file: str
    kind: str
    below: tuple[str, ...] = ()
    output: str = ''
    problem: str = ''
    found: bool = False


def find_sources(given: Iterable[str | Path]) -> list[Source]:
    """All inputs in the order in which they were given.

    Args:
        given (Iterable[str or Path]): Files, folders (with those in them),
            globs, http(s) links, numbers of cameras, and ``-`` for a list of
            such on the standard input.

    Returns:
        list[Source]: An input that is not there has a ``problem``.

    Raises:
        UserError: If none is there.
    """
    found = [source for word in given for source in _find(str(word))]
    if not found:
        raise UserError('there is no input: the list of inputs is empty')
    if all(source.problem for source in found):
        raise UserError(
            found[0].problem
            if len(found) == 1
            else f'none of {len(found)} inputs is there: {found[0].problem}'
        )
    return _named(found)


def videos_among(sources: Sequence[Source]) -> list[Source]:
    """Inputs of a model for whole videos: no photos that lie beside them.

    Raises:
        UserError: If nothing is left.
    """
    left = [s for s in sources if s.kind != 'photo' or not s.found]
    if not left:
        raise UserError(
            'the model takes whole videos, and there is none among the inputs'
        )
    return left


def _find(word: str, listed: bool = False) -> Iterator[Source]:
    if word == STDIN and not listed:
        for line in sys.stdin:
            word = line.rstrip('\r\n')
            # A name may begin or end with spaces, and most do not.
            word = word if Path(word).exists() else word.strip()
            if word:
                yield from _find(word, listed=True)
        return
    path = Path(word).expanduser()
    if LINK.match(word):
        yield Source(word, 'link')
    elif path.is_dir():
        yield from _in_folder(path)
    elif path.exists():
        yield Source(word, _kind(path))
    elif word.isdigit():
        yield Source(word, 'camera')
    elif glob.has_magic(word):
        yield from _matching(path)
    else:
        problem = f'{word} does not exist'
        yield Source(word, _kind(path), problem=problem)


def _kind(path: Path | PurePosixPath) -> str:
    return 'video' if path.suffix.lower() in VIDEOS else 'photo'


def kind_of_link(link: str, content_type: str) -> str:
    """Whether a link leads to a 'photo' or a 'video'.

    Args:
        link (str): Its name counts first.
        content_type (str): What the server says it is.
    """
    suffix = suffix_of_link(link)
    if suffix in PHOTOS | VIDEOS:
        return 'video' if suffix in VIDEOS else 'photo'
    return 'video' if content_type.startswith('video/') else 'photo'


def suffix_of_link(link: str) -> str:
    """The suffix of what a link leads to, in small letters."""
    return _parts_of_link(link)[1].suffix.lower()


def _parts_of_link(link: str) -> tuple[str, PurePosixPath]:
    """Host and path of a link, of whatever people type for one."""
    place = re.split(r'[?#]', link.partition('://')[2])[0]
    host, _, path = place.partition('/')
    return host, PurePosixPath(unquote(path))


def _in_folder(folder: Path) -> Iterator[Source]:
    shown = PHOTOS | UNREAD | VIDEOS
    files = sorted(
        path
        for path in walk_files(folder)
        # A link that leads nowhere is an input that cannot be read.
        if path.suffix.lower() in shown
        and (path.is_file() or not path.exists())
    )
    for path in files:
        below = path.relative_to(folder).parent.parts
        yield Source(str(path), _kind(path), below, found=True)
    if not files:
        problem = f'{folder} has no photo and no video in it'
        yield Source(str(folder), 'photo', problem=problem)


def _matching(pattern: Path) -> Iterator[Source]:
    fixed = []
    for part in pattern.parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = Path(*fixed)
    matches = sorted(glob.glob(str(pattern), recursive=True))
    # A folder that matches has its files matched, too, by `**`.
    files = [Path(match) for match in matches if Path(match).is_file()]
    for path in files:
        below = path.relative_to(root).parent.parts
        yield Source(str(path), _kind(path), below)
    if not files:
        problem = f'no file matches {pattern}'
        yield Source(str(pattern), 'photo', problem=problem)


def _named(sources: Sequence[Source]) -> list[Source]:
    """Gives each a name of its own.

    That of its file; of inputs that would share one, the shortest ending of
    their paths that tells them apart, and a number where the same input was
    given twice. Names that differ in upper and lower case alone are one on
    some disks.
    """
    each = [_choices(source) for source in sources]
    # Nothing tells an input apart from itself.
    choices = list(dict.fromkeys(map(tuple, each)))
    level = [0] * len(choices)
    while True:
        names = [c[i] for c, i in zip(choices, level, strict=True)]
        times = Counter(name.lower() for name in names)
        rising = [
            index
            for index, name in enumerate(names)
            if times[name.lower()] > 1
            and level[index] + 1 < len(choices[index])
        ]
        if not rising:
            break
        for index in rising:
            level[index] += 1
    taken: set[str] = set()
    named = []
    name_of = dict(zip(choices, names, strict=True))
    for source, own in zip(sources, each, strict=True):
        name = name_of[tuple(own)]
        unique, again = name, 1
        # A number may be the name of another file.
        while unique.lower() in taken or (again > 1 and times[unique.lower()]):
            again += 1
            unique = f'{name}-{again}'
        taken.add(unique.lower())
        named.append(replace(source, output=unique))
    return named


def _choices(source: Source) -> list[str]:
    """Names for the outputs of an input, the shortest first."""
    if source.kind == 'camera':
        return [f'camera-{source.file}']
    if source.kind == 'link':
        host, path = _parts_of_link(source.file)
        parts = [re.sub(r'[^\w.-]', '-', host), *path.parts]
    else:
        path = Path(source.file)
        parts = list(path.absolute().parts[1:])
    # A link may say anything; no name leads out of the folder of outputs.
    parts = [part for part in parts if part not in ('.', '..', '/')]
    *folders, file = parts or ['input']
    suffix = PurePosixPath(file).suffix
    stem = file.removesuffix(suffix) or file
    told_apart = f'{stem}-{suffix[1:]}' if suffix else stem
    fewest = len(source.below)
    names = []
    for number in range(fewest, len(folders) + 1):
        above = folders[len(folders) - number :]
        names += ['/'.join([*above, name]) for name in (stem, told_apart)]
    return list(dict.fromkeys(names))
