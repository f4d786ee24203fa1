"""Where configs lie, and which one a word of the command line means.

A config is named by its path, by the name of one of this package's, with or
without ``.py``, or by a part or a pattern that only one of their names has:
``mask-rcnn_uniformer-s-h14*1x``. A config of another project inherits one by
``_base_ = 'mmuniformer::detection/mask_rcnn/NAME.py'``, also from a wheel.
"""

from collections.abc import Callable
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from functools import cache
from os.path import isfile
from pathlib import Path
from types import ModuleType

from mmuniformer.compat.import_hooks import after_import
from mmuniformer.compat.replacing import replace_once
from mmuniformer.errors import UserError

PACKAGE = Path(__file__).parent
# At most so many names in a message.
SHOWN = 10
# How much of a word a name has, in stretches of at least four letters, for
# it to be near; and how near others are for being named with the nearest.
ALIKE = 0.7
STRETCH = 4
AS_NEAR = 0.95


@cache
def config_folder() -> Path:
    """The folder ``configs`` of this package.

    An installed package has a copy of it, an editable one a link, and a
    checkout that is not installed has the folder beside the package.

    Raises:
        UserError: If there is none: the package is not complete.
    """
    beside = PACKAGE.parent
    candidates = [PACKAGE / '.mim' / 'configs']
    if (beside / 'model-index.yml').is_file():
        candidates.append(beside / 'configs')
    for folder in candidates:
        if folder.is_dir():
            return folder.resolve()
    raise UserError(
        f'there are no configs of mmuniformer in {candidates[0]}: install it '
        'again'
    )


@cache
def config_files() -> dict[str, Path]:
    """This package's configs of experiments, by their names without ``.py``.

    Raises:
        UserError: See :func:`config_folder`.
    """
    files = sorted(config_folder().rglob('*.py'))
    return {file.stem: file for file in files if '_base_' not in file.parts}


def serve() -> None:
    """Has mmengine find bases that are named ``mmuniformer::``.

    And those of other packages at once, where one was found before: it reads
    all metafiles of a package, half a second of mmdet's, for each base.
    """
    after_import('mmengine.config.config', _patch)


def _patch(module: ModuleType) -> None:
    replace_once(module.Config, '_get_cfg_path', _with_ours, by=__name__)


def _with_ours(original: Callable) -> Callable:
    folders: dict[str, str] = {}

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        package, colons, path = cfg_path.partition('::')
        if colons and package == PACKAGE.name:
            # No scope: the classes of our configs are a host library's.
            return str(config_folder() / path), None
        known = folders.get(package, '') + path
        if colons and package in folders and isfile(known):
            return known, package
        found, scope = original(cfg_path, filename)
        if colons and found.endswith(path):
            folders[package] = found.removesuffix(path)
        return found, scope

    return get_cfg_path


def find_config(word: str | Path) -> Path:
    """The file that a word of the command line means.

    Args:
        word (str or Path): A path, which wins if the file exists; the name of
            a config of this package, or a part or pattern of it, after
            folders or alone.

    Returns:
        Path: A file that exists.

    Raises:
        UserError: If there is none, or more than one; with those that it may
            mean.
    """
    path = Path(word)
    if path.is_file():
        return path
    found = _matching(path.as_posix())
    if len(found) == 1:
        return found[0]
    if found:
        found.sort(key=lambda each: -sum(_likeness(path.stem, each)))
        raise UserError(
            f'config {word} may be any of {len(found)}: give more of its '
            f'name{_listed([each.stem for each in found])}'
        )
    what = 'is a folder' if path.is_dir() else 'does not exist'
    near = _near(path)
    if len(near) == 1:
        raise UserError(f'config {word} {what}; did you mean {near[0]}?')
    told = f'; did you mean{_listed(near)}' if near else ''
    raise UserError(f'config {word} {what}{told}')


def _matching(word: str) -> list[Path]:
    """Configs of this package whose names a word matches, the best alone.

    Whole names come before beginnings, these before other parts. A name with
    ``.py`` is whole, lest a mistyped file of the user's stands for one of
    ours. What names a config names its variants, too, and means the config.
    """
    bare = word.removesuffix('.py').lower()
    names = {}
    for stem, file in config_files().items():
        folders = file.relative_to(config_folder().parent).with_suffix('')
        name = folders.as_posix() if '/' in bare else stem
        names[name.lower()] = file
    patterns = [bare, f'*/{bare}']
    if bare == word.lower() or set('*?[') & set(bare):
        patterns += [f'{bare}*', f'*{bare}*']
    for pattern in patterns:
        found = [f for name, f in names.items() if fnmatchcase(name, pattern)]
        if found:
            return _plain(found) or found
    return []


def _plain(files: list[Path]) -> list[Path]:
    """The one of which the others are variants, with more words in their
    names."""
    words = [set(file.stem.split('_')) for file in files]
    return [
        file
        for file, own in zip(files, words, strict=True)
        if all(own <= others for others in words)
    ]


def _near(path: Path) -> list[str]:
    """What may be meant by a path that is none, the closest first.

    These are files near it, by their paths, and this package's configs, by
    their names.
    """
    folder = path if path.is_dir() else path.parent
    there = folder.is_dir()
    while not folder.is_dir():
        folder = folder.parent
    files = list(folder.glob('*.py'))
    if not (there and files):
        # Not all that is below: it may be a whole disk.
        files += folder.glob('*/*.py')
    known = {str(file): file for file in files}
    seen = {file.resolve() for file in files}
    known |= {
        name: file for name, file in config_files().items() if file not in seen
    }
    nearness = {}
    for shown, file in known.items():
        part, whole = _likeness(path.stem, file)
        if part >= ALIKE:
            nearness[shown] = part + whole
    least = AS_NEAR * max(nearness.values(), default=0)
    near = [shown for shown, value in nearness.items() if value >= least]
    return sorted(near, key=lambda shown: -nearness[shown])[:SHOWN]


def _likeness(word: str, file: Path) -> tuple[float, float]:
    """How much of a word is in a file's name, and how alike they are.

    A part of a long name is hardly alike to it as a whole.
    """
    matcher = SequenceMatcher(None, word.lower(), file.stem.lower(), False)
    sizes = [block.size for block in matcher.get_matching_blocks()]
    part = sum(size for size in sizes if size >= STRETCH) / max(len(word), 1)
    return part, matcher.ratio()


def _listed(names: list[str]) -> str:
    """Names, a line each; at most :data:`SHOWN`."""
    lines = [f'\n  {name}' for name in names[:SHOWN]]
    if len(names) > SHOWN:
        lines.append(f'\n  and {len(names) - SHOWN} more')
    return ':' + ''.join(lines)
