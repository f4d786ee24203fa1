"""Maps of labels: grey, with a palette, in colours, of 8 or 16 bits."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmuniformer.checks import scan
from mmuniformer.checks.finding import few
from mmuniformer.checks.label_maps.files import LOSSY, read_map
from mmuniformer.errors import UserError
from mmuniformer.owndata.images import IMAGE_SUFFIXES, files_below
from mmuniformer.owndata.naming import (
    name_file,
    read_names,
    read_text,
    unique,
)
from mmuniformer.owndata.parts import MapPart

# The label that is neither learned nor counted, and its name in a table.
IGNORED = 255
IGNORE = 'ignore'
BINARY = ('background', 'foreground')
# Tables of names and colours, as CVAT and CamVid's programs write them.
TABLES = ('labelmap.txt', 'class_dict.csv', 'colors.txt', 'colours.txt')
SHOWN = 8
Value = int | tuple[int, int, int]


@dataclass(frozen=True)
class Table:
    """Names of labels, and the value or colour that stands for each.

    Attributes:
        names (tuple[str, ...]): In the order of the labels.
        values (dict): The label of each value or RGB colour; empty if names
            stand for 0, 1, 2 ...
        source (str): Where it is from.
        found (bool): Whether it lay beside the maps, and nobody named it.
    """

    names: tuple[str, ...]
    values: dict[Value, int]
    source: str
    found: bool = False

    @property
    def colours(self) -> bool:
        """Whether colours stand for labels."""
        return any(isinstance(value, tuple) for value in self.values)


def read_table(
    given: str | None, labels: Path
) -> tuple[Table | None, list[str]]:
    """The table of ``--classes``, or of a file beside the maps.

    Args:
        given (str, optional): Names or ``value=name`` between commas, or a
            file with a line of each: a name, a value and a name, or red,
            green, blue and a name.
        labels (Path): The folder of the maps.

    Returns:
        tuple[Table or None, list[str]]: The table, and notes on files beside
        the maps that look like one and are none.
    """
    if given is not None and not Path(given).is_file():
        if '=' not in given:
            return Table(read_names(given), {}, '--classes'), []
        rows = [(entry, entry.split('=')) for entry in given.split(',')]
        return _table(rows, '--classes'), []
    if given is not None:
        return _table_of(Path(given)), []
    folders = (labels, labels.parent)
    places = [folder / name for folder in folders for name in TABLES]
    notes = []
    for file in (*places, name_file(*folders)):
        if file is None or not file.is_file():
            continue
        try:
            return replace(_table_of(file), found=True), notes
        except UserError as error:
            notes.append(f'{file} is not read, for it is no table ({error})')
    return None, notes


def _table_of(file: Path) -> Table:
    """The table in a file."""
    rows = []
    for line in read_text(file).splitlines():
        text = line.strip()
        if text and not text.startswith('#'):
            rows.append((text, _words(text)))
    # A header: name,r,g,b
    if len(rows) > 1 and len(rows[0][1]) > 1:
        has_numbers = [bool(_numbers(words)) for _, words in rows[:2]]
        rows = rows[has_numbers == [False, True] :]
    return _table(rows, str(file))


def _numbers(words: Iterable[str]) -> tuple[int, ...]:
    return tuple(int(w) for w in words if w.strip().isdigit())


def _words(text: str) -> list[str]:
    if text.count(':') >= 3:
        # CVAT: name:r,g,b:parts:actions
        name, colour, *_ = text.split(':')
        return [*colour.split(','), name]
    for delimiter in ',;\t':
        if delimiter in text:
            words = next(csv.reader([text], delimiter=delimiter))
            return [w.strip() for w in words]
    # Names may have spaces, numbers have none.
    numbers = re.match(r'((?:\d+\s+)+)(.*\D.*)', text)
    if numbers:
        return [*numbers[1].split(), numbers[2].strip()]
    numbers = re.match(r'(.*[^\d\s]\S*)((?:\s+\d+)+)$', text)
    if numbers:
        return [numbers[1].strip(), *numbers[2].split()]
    return [text]


def _table(rows: Iterable[tuple[str, list[str]]], source: str) -> Table:
    names, values, ignored = [], {}, []
    for text, words in rows:
        name = next((w for w in words if not w.strip().isdigit()), None)
        numbers = _numbers(words)
        if name is None or len(numbers) not in (0, 1, 3):
            raise UserError(
                f'{source}: {text!r} is no name with a value or with red, '
                'green and blue'
            )
        key = numbers if len(numbers) == 3 else (numbers or (None,))[0]
        if key is not None and key in values:
            raise UserError(
                f'{source}: {text!r} has a value that is there twice'
            )
        if name.strip().lower() == IGNORE:
            ignored.append(key)
            continue
        if key is not None:
            values[key] = len(names)
        names.append(name.strip())
    if values and len(values) != len(names):
        raise UserError(
            f'{source}: some names have a value and others have none'
        )
    values |= {key: IGNORED for key in ignored if key is not None}
    return Table(unique(tuple(names), source), values, source)


def read_map_part(
    images: Path, labels: Path, table: Table | None
) -> tuple[MapPart, tuple[str, ...], list[tuple], list[str]]:
    """Reads the maps of a folder of images.

    Args:
        images (Path): Folder of images.
        labels (Path): Folder of maps, named like the images.
        table (Table, optional): Names of the labels.

    Returns:
        tuple: The maps, the names of classes, the colours that the files'
        palette has for them (none without one), and notes.

    Raises:
        UserError: Naming the file and the value.
    """
    names, image_suffix, map_suffix = _pairs(images, labels)
    files = [str(labels / f'{name}{map_suffix}') for name in names]
    looked = list(scan.each(_look, files, 'label maps'))
    for file, seen in zip(files, looked, strict=True):
        if seen.problem:
            raise UserError(f'{file} {seen.problem}')
    channels = any(seen.channels > 1 for seen in looked)
    table, looked = _as_the_table_has(table, looked)
    kinds = {seen.colours for seen in looked}
    if len(kinds) > 1:
        odd = next(f for f, s in zip(files, looked, strict=True) if s.colours)
        raise UserError(
            f'{odd} has colours, and other maps have one value a pixel; write '
            'all in one way'
        )
    totals = sum((seen.pixels for seen in looked), Counter())
    table, told = _fitting(table, totals)
    fits = _of_colours if kinds == {True} else _of_values
    names_, convert, notes = fits(labels, files, looked, totals, table)
    notes += [*told, *_other_palettes(files, looked)]
    in_file = {label: label for label in range(len(names_))}
    meaning = convert or {**in_file, IGNORED: IGNORED}
    if channels and convert is None:
        # mmseg reads one channel.
        convert = meaning
    pixels = [
        Counter(
            {
                names_[meaning[value]]: number
                for value, number in seen.pixels.items()
                if meaning[value] != IGNORED
            }
        )
        for seen in looked
    ]
    part = MapPart(
        images,
        labels,
        names,
        image_suffix,
        map_suffix,
        pixels,
        convert,
        whole=len(names) == len(files_below(images, IMAGE_SUFFIXES)),
    )
    colours = [looked[0].palette.get(i) for i in range(len(names_))]
    if convert or None in colours or len(set(colours)) < len(colours):
        colours = []
    return part, names_, colours, notes


@dataclass(frozen=True)
class _Seen:
    pixels: Counter
    colours: bool = False
    channels: int = 1
    palette: Mapping[int, tuple] = field(default_factory=dict)
    problem: str = ''


def _look(file: str) -> _Seen:
    """Values or colours of a map, with their pixels."""
    try:
        with Image.open(file) as opened:
            form, mode = opened.format, opened.mode
            flat = opened.getpalette() if mode == 'P' else None
        values = read_map(file, 'pillow')
    except Exception as error:
        return _Seen(Counter(), problem=f'cannot be read: {error}')
    colours = values.ndim == 3
    channels = values.shape[-1] if colours else 1
    if colours and values.shape[-1] >= 3:
        values = values[..., 2::-1]
    elif colours:
        # Grey with alpha.
        colours, values = False, values[..., 0]
    if form in LOSSY and len(np.unique(values)) > 1:
        return _Seen(
            Counter(),
            problem='is a JPEG, whose compression changes values at the '
            'edges of objects: write maps as PNG from where they were made',
        )
    if not colours:
        found = np.unique(values, return_counts=True)
        pixels = Counter(
            {
                v.item(): n
                for v, n in zip(found[0], found[1].tolist(), strict=True)
            }
        )
        palette = {
            i: tuple(flat[3 * i : 3 * i + 3])
            for i in range(len(flat or ()) // 3)
        }
        return _Seen(pixels, channels=channels, palette=palette)
    packed = _packed(values)
    found = np.unique(packed, return_counts=True)
    pixels = Counter(
        {
            (c >> 16, c >> 8 & 255, c & 255): n
            for c, n in zip(found[0].tolist(), found[1].tolist(), strict=True)
        }
    )
    return _Seen(pixels, colours=True, channels=channels)


def _as_the_table_has(
    table: Table | None, looked: Sequence[_Seen]
) -> tuple[Table | None, Sequence[_Seen]]:
    """Maps as colours if the table has theirs, and as values if they can be.

    Values of a palette stand for colours, and three channels alike for one.
    """
    if table and table.colours:
        found = [_coloured(seen) for seen in looked]
        colours = {
            colour: value for seen in found for colour, value in seen.items()
        }
        # VOC has it at the borders of objects, and no table of it.
        border = [c for c, v in colours.items() if v == IGNORED and c]
        values = dict.fromkeys(border, IGNORED) | table.values
        if colours and colours.keys() <= values.keys():
            return replace(table, values=values), [
                _in_colours(seen) for seen in looked
            ]
    grey = all(
        len(set(value)) == 1
        for seen in looked
        if seen.colours
        for value in seen.pixels
    )
    return table, [_grey(seen) for seen in looked] if grey else looked


def _coloured(seen: _Seen) -> dict[tuple | None, Value]:
    """The colour of each value; None of one that has none."""
    if seen.colours:
        return {value: value for value in seen.pixels}
    return {seen.palette.get(value): value for value in seen.pixels}


def _in_colours(seen: _Seen) -> _Seen:
    if seen.colours:
        return seen
    pixels = Counter()
    for value, number in seen.pixels.items():
        pixels[seen.palette[value]] += number
    return replace(seen, pixels=pixels, colours=True)


def _grey(seen: _Seen) -> _Seen:
    if not seen.colours:
        return seen
    pixels = Counter({value[0]: n for value, n in seen.pixels.items()})
    return replace(seen, pixels=pixels, colours=False)


def _fitting(
    table: Table | None, totals: Counter
) -> tuple[Table | None, list[str]]:
    """No table where one that was found is not that of maps of two values."""
    values = set(totals)
    if not (table and table.found and values <= {0, 1, IGNORED}):
        return table, []
    what = f'hold {" and ".join(map(str, sorted(values)))}'
    if table.colours:
        why = f'it has colours, and the maps {what}'
    elif table.values:
        lacks = values - {*table.values, IGNORED}
        why = f'it does not have {min(lacks)}' if lacks else ''
    else:
        number = len(table.names)
        fits = values != {0, IGNORED} or number == len(BINARY)
        fits = fits and not any(number <= v < IGNORED for v in values)
        why = '' if fits else f'it has {number} names, and the maps {what}'
    if not why:
        return table, []
    return None, [
        f'{table.source} is not read, for it is not of these maps: {why} '
        '(--classes takes it all the same)'
    ]


def _other_palettes(
    files: Sequence[str], looked: Sequence[_Seen]
) -> list[str]:
    """A note where values show other colours in another file."""
    first: dict[Value, tuple[tuple, str]] = {}
    for file, seen in zip(files, looked, strict=True):
        if seen.colours or not seen.palette:
            continue
        for value in seen.pixels:
            colour = seen.palette.get(value)
            known, where = first.setdefault(value, (colour, file))
            if known != colour:
                return [
                    f'the value {value} is {known} in the palette of {where} '
                    f'and {colour} in that of {file}: values are read, and '
                    'not colours; a table of colours (--classes FILE) has '
                    'colours read'
                ]
    return []


def _packed(rgb: np.ndarray) -> np.ndarray:
    rgb = rgb.astype(np.int64)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _pairs(images: Path, labels: Path) -> tuple[list[str], str, str]:
    """Names of images without suffix, their suffix, and that of the maps."""
    if images.resolve() == labels.resolve():
        raise UserError(
            f'--images and --labels are both {images}; maps belong into a '
            'folder of their own, with the same folders in it'
        )
    files = files_below(images, IMAGE_SUFFIXES)
    suffixes = Counter('.' + name.rpartition('.')[2] for name in files)
    if len(suffixes) > 1:
        raise UserError(
            f'{images} has images that end with {", ".join(suffixes)}, and '
            'mmseg reads one suffix, in capitals or small letters; rename or '
            'convert the fewer ones'
        )
    (image_suffix,) = suffixes
    stems = [name.removesuffix(image_suffix) for name in files]
    maps = files_below(labels, IMAGE_SUFFIXES)
    known = set(maps)
    endings = Counter(
        name.removeprefix(stem)
        for stem in stems[:SHOWN]
        for name in maps
        if name.startswith(stem)
    )
    endings = [
        end for end, _ in endings.most_common() if stems[0] + end in known
    ]
    if not endings:
        raise UserError(
            f'no map in {labels} is named like the image {files[0]}; maps '
            f'are named like their images ({stems[0]}.png), and there is '
            f'{few(maps)}'
        )
    whole = [e for e in endings if all(s + e in known for s in stems)]
    # photo.png is the map of photo.jpg, whatever else is made of it.
    plain = [e for e in whole if e.rpartition('.')[0] == '']
    if len(plain or whole) > 1:
        raise UserError(
            f'{labels} has several maps of each image: {stems[0]} with '
            f'{few(sorted(plain or whole))}; put those that are meant into a '
            'folder of their own'
        )
    best = max(
        plain or endings, key=lambda end: sum(s + end in known for s in stems)
    )
    missing = [s for s in stems if s + best not in known]
    if missing:
        raise UserError(
            f'{len(missing)} of {len(stems)} images have no map in {labels}: '
            f'{few([s + best for s in missing])}; take the images out, or '
            'make maps of them'
        )
    return stems, image_suffix, best


def _of_values(
    labels: Path,
    files: Sequence[str],
    looked: Sequence[_Seen],
    totals: Counter,
    table: Table | None,
) -> tuple[tuple[str, ...], dict | None, list[str]]:
    """Names and meaning of maps with one value a pixel."""
    values = sorted(totals)
    if table is not None and table.colours:
        raise UserError(
            f'{table.source} has colours, and the maps in {labels} hold '
            f'values: {_told(values)}; name the values with --classes '
            '(0=road,1=car)'
        )
    if table is not None and table.values:
        return _by_table(files, looked, table)
    if table is None and not set(values) <= {0, 1, IGNORED}:
        raise UserError(
            f'the maps in {labels} hold the values {_shares(totals)}, and '
            'nothing names them: give --classes, names in the order of the '
            'values between commas, or 7=cat,11=dog for values with gaps'
        )
    names = table.names if table else BINARY
    if len(names) == 1:
        raise UserError(
            f'one class cannot be told from another, and {table.source} has '
            f'{names[0]} alone; name what is around it, too: '
            f'background,{names[0]}'
        )
    note = (
        []
        if table
        else [
            f'{labels}: the two values are called {" and ".join(names)} '
            '(--classes gives other names)'
        ]
    )
    if values == [0, IGNORED] and len(names) == 2:
        note.append(
            f'{labels}: maps of 0 and 255 are written as 0 ({names[0]}) and '
            f'1 ({names[1]}): 255 would be ignored'
        )
        return names, {0: 0, IGNORED: 1}, note
    number = len(names)
    inside = [value for value in values if value != IGNORED]
    if inside and min(inside) == 1 and max(inside) == number:
        note.append(
            f'{labels}: labels count from 1, and are written as 0 to '
            f'{number - 1}'
        )
        return names, {v: v if v == IGNORED else v - 1 for v in values}, note
    for value in inside:
        if value != int(value) or not 0 <= value < number:
            file = next(
                f
                for f, s in zip(files, looked, strict=True)
                if value in s.pixels
            )
            raise UserError(
                f'{file} holds the value {value:g}, and {number} names are '
                f'known ({table.source if table else "none given"}), for '
                f'0 to {number - 1}: {few(names, SHOWN)}. All maps '
                f'hold {_shares(totals)}; name each, the background too, or '
                'say which value is which (7=cat,11=dog)'
            )
    return names, None, note


def _of_colours(
    labels: Path,
    files: Sequence[str],
    looked: Sequence[_Seen],
    totals: Counter,
    table: Table | None,
) -> tuple[tuple[str, ...], dict, list[str]]:
    """Names and meaning of maps in colours."""
    if table is None or not table.colours:
        raise UserError(
            f'the maps in {labels} are in colours, {_shares(totals)}, and '
            'nothing says what they mean: give --classes FILE with a line '
            'for each, "128,0,0,car" (red, green, blue, name), or '
            'labelmap.txt beside the maps'
        )
    return _by_table(files, looked, table)


def _by_table(
    files: Sequence[str], looked: Sequence[_Seen], table: Table
) -> tuple[tuple[str, ...], dict | None, list[str]]:
    meaning = dict(table.values)
    if not table.colours:
        meaning.setdefault(IGNORED, IGNORED)
    for file, seen in zip(files, looked, strict=True):
        unknown = [value for value in seen.pixels if value not in meaning]
        if unknown:
            raise UserError(
                f'{file} has {seen.pixels[unknown[0]]} pixels of '
                f'{unknown[0]}, which {table.source} does not have; it has '
                f'{_told(table.values)}. Add it, with the name "ignore" if '
                'it is to be left out'
            )
    same = not table.colours and all(
        key == label for key, label in meaning.items()
    )
    kind = 'colours' if table.colours else 'values'
    note = f'maps are written with the labels of the {kind} of {table.source}'
    return table.names, None if same else meaning, [] if same else [note]


def _told(values: Iterable) -> str:
    return few([str(value) for value in values], SHOWN)


def _shares(totals: Counter) -> str:
    """The most frequent values and their shares of all pixels."""
    pixels = totals.total()
    return few(
        [f'{v} ({n / pixels:.1%})' for v, n in totals.most_common()], SHOWN
    )


def write_maps(part: MapPart, folder: Path) -> None:
    """Writes maps of labels, as PNG below a folder."""
    work = partial(_write, part, folder)
    list(scan.each(work, part.files, 'writing label maps'))


def _write(part: MapPart, folder: Path, name: str) -> None:
    source = part.maps / f'{name}{part.map_suffix}'
    values = read_map(str(source), 'pillow')
    coloured = any(isinstance(value, tuple) for value in part.convert)
    if coloured and values.ndim == 2:
        # Values of a palette, which may be another one in each file.
        with Image.open(source) as opened:
            values = np.array(opened.convert('RGB'))[..., ::-1]
    if values.ndim == 3:
        values = values[..., 2::-1] if coloured else values[..., 0]
    keys = np.array(
        [
            _packed(np.array(value)).item() if coloured else value
            for value in part.convert
        ]
    )
    order = keys.argsort()
    packed = _packed(values) if coloured else values
    found = np.searchsorted(keys[order], packed)
    labels = np.array(list(part.convert.values()), np.uint8)[order][found]
    file = folder / f'{name}.png'
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(file)
