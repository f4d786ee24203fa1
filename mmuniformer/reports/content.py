"""What a page is made of: tables, pictures and sections of both."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Table:
    """A table.

    Attributes:
        title (str): Its heading.
        columns (list[str]): Names, the first that of what a row is of.
        rows (list[list]): Texts and numbers; None where there is no value.
        note (str): What one has to know to read it.
        words (bool): Whether its cells are texts, which may break.
        marked (set[tuple[int, int]]): Row and column of outstanding cells.
    """

    title: str
    columns: list[str]
    rows: list[list]
    note: str = ''
    words: bool = False
    marked: set[tuple[int, int]] = field(default_factory=set)


@dataclass
class Picture:
    """A picture.

    Attributes:
        name (str): Of its file, without suffix.
        caption (str): What stands below it; may be empty.
        png (bytes): Its file.
        wide (bool): Whether it takes a row of the page for itself.
    """

    name: str
    caption: str
    png: bytes
    wide: bool = False


@dataclass
class Pictures:
    """Pictures side by side, as many as the page is wide for.

    Attributes:
        title (str): Their heading.
        pictures (list[Picture]): Any number.
        note (str): What one has to know to read them.
        folded (bool): Whether only the title shows at first.
        size (str): 'small', 'large' or '' for what is between.
    """

    title: str
    pictures: list[Picture]
    note: str = ''
    folded: bool = False
    size: str = ''


@dataclass
class Text:
    """Text as it was written, folded under its title."""

    title: str
    text: str


@dataclass
class Section:
    """A part of the page.

    Attributes:
        title (str): Its heading.
        items (list): Tables, pictures and texts, in order.
        note (str): A line below the heading.
    """

    title: str
    items: list[Table | Pictures | Text] = field(default_factory=list)
    note: str = ''


def file_name(*words: str) -> str:
    """A name of a file from any words: nothing of them names a folder."""
    kept = (re.sub(r'[^\w-]+', '-', word).strip('-') for word in words)
    return '_'.join(word for word in kept if word)[:100] or 'picture'


def number(value: object, digits: int = 4) -> str:
    """A number for people: as many digits as say something."""
    if value is None:
        return ''
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f'{value:,}'.replace(',', ' ')
    if value != value:
        return 'not a number'
    if value in (float('inf'), float('-inf')):
        return '∞' if value > 0 else '-∞'
    if abs(value) >= 10 ** (digits - 1):
        return f'{value:,.0f}'.replace(',', ' ')
    return f'{value:.{digits}g}'


def few_of(items: Sequence, most: int) -> tuple[list, int]:
    """The first of many, and how many are left out."""
    return list(items[:most]), max(0, len(items) - most)
