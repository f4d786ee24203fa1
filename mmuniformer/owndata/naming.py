"""Names of classes: where they stand, and what can be told from them."""

import colorsys
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mmuniformer.checks.keypoints.names import parse_name
from mmuniformer.checks.lists.reading import read_list
from mmuniformer.errors import UserError, first_line

# Files of names beside the labels of those forms that have no names within.
NAME_FILES = ('classes.txt', 'obj.names', 'labels.txt', 'class_names.txt')
SIDES = ('left', 'right')
# The golden ratio spreads hues, whatever their number is.
GOLDEN = 0.618034
BACKGROUND = (40, 40, 40)


def read_names(given: str | None) -> tuple[str, ...] | None:
    """Names of classes as ``--classes`` has them.

    Args:
        given (str, optional): Names between commas, or a file of them.

    Raises:
        UserError: If there is no such file, or a name is there twice.
    """
    if given is None:
        return None
    path = Path(given)
    if path.is_file():
        return names_of_file(path)
    if path.suffix or '/' in given:
        raise UserError(
            f'--classes {given}: there is no such file; give names between '
            'commas, or a text file with a name in each line'
        )
    return unique(tuple(n.strip() for n in given.split(',')), '--classes')


def names_of_file(path: Path) -> tuple[str, ...]:
    """A name in each line, or the ``names`` of a YAML or JSON file."""
    if path.suffix in ('.yaml', '.yml', '.json'):
        content = load_mapping(path)
        if 'names' not in content:
            raise UserError(f'{path} has no key names')
        return names_of_yolo(content['names'], path)
    lines, findings = read_list(path)
    if findings and not lines:
        raise UserError(str(findings[0]))
    names = [line.text.strip() for line in lines if line.text.strip()]
    return unique(tuple(names), str(path))


def names_of_yolo(names: Any, path: Path) -> tuple[str, ...]:
    """``names`` of a YOLO file: a list, or a dict of numbers and names."""
    if isinstance(names, dict):
        try:
            numbered = sorted((int(k), v) for k, v in names.items())
        except (TypeError, ValueError):
            raise UserError(
                f'{path}: names is a dict whose keys are no numbers'
            ) from None
        missing = set(range(len(numbered))) - {k for k, _ in numbered}
        if missing:
            raise UserError(
                f'{path}: names has no name for {min(missing)}; classes are '
                'numbered from 0 without gaps'
            )
        names = [name for _, name in numbered]
    if not isinstance(names, list) or not names:
        raise UserError(f'{path}: names is {names!r}, and no list of names')
    return unique(tuple(map(str, names)), str(path))


def unique(names: tuple[str, ...], source: str) -> tuple[str, ...]:
    """The names, if each is there once and none is empty."""
    if not names:
        raise UserError(f'{source} has no names')
    if not all(names):
        raise UserError(f'{source} has an empty name')
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f'{source} has the name {twice[0]!r} twice')
    return names


def read_text(path: Path) -> str:
    """The text of a file, without a mark at its beginning.

    Raises:
        UserError: If it is not UTF-8.
    """
    content = path.read_bytes()
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise UserError(
            f'{path}, line {line}: byte 0x{content[error.start]:02x} is not '
            'UTF-8; save it as UTF-8 (it may be Latin-1, UTF-16 or a code '
            'page)'
        ) from error


def load_mapping(path: Path) -> dict[str, Any]:
    """The dict of a YAML or JSON file; ``names`` are texts as written.

    Of YAML, ``no`` and ``1.0`` may be names, and are a bool and a number.
    """
    text = read_text(path)
    try:
        if path.suffix == '.json':
            content = json.loads(text)
        else:
            content = yaml.safe_load(text)
            if isinstance(content, dict) and 'names' in content:
                written = yaml.load(text, yaml.BaseLoader)
                content['names'] = written['names']
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        first = first_line(error)
        raise UserError(f'{path} cannot be read: {first}') from error
    if not isinstance(content, dict):
        raise UserError(f'{path} is no dict of keys and values')
    return content


def name_file(*folders: Path) -> Path | None:
    """The first file of names in one of the folders."""
    found = (folder / name for folder in folders for name in NAME_FILES)
    return next((path for path in found if path.is_file()), None)


def palette(classes: Sequence[str]) -> list[tuple[int, int, int]]:
    """RGB colours that differ from their neighbours; dark for background."""
    colours = []
    for index, name in enumerate(classes):
        if name.lower() == 'background':
            colours.append(BACKGROUND)
            continue
        hue = (0.02 + index * GOLDEN) % 1
        value = (0.92, 0.72)[index // 8 % 2]
        rgb = colorsys.hsv_to_rgb(hue, 0.72, value)
        colours.append(tuple(round(255 * part) for part in rgb))
    return colours


def sided_classes(classes: Sequence[str]) -> list[str]:
    """Names of which another is the other side: 'turn left', 'turn right'.

    A mirrored image of the one is an image of the other.
    """
    # Single letters number classes: 'R 1' is no right one.
    known = {
        parse_name(name): name
        for name in classes
        if any(side in name.lower() for side in SIDES)
    }
    return [
        name
        for parsed, name in known.items()
        if parsed.side and parsed.mirrored in known
    ]
