"""One page of HTML that holds all it shows, and its pictures as files."""

import base64
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from mmuniformer.reports.content import (
    Picture,
    Pictures,
    Section,
    Table,
    Text,
    number,
)

PAGE = 'report.html'


def write_page(
    out: Path,
    title: str,
    lead: Sequence[str],
    sections: Sequence[Section],
    problems: Sequence[str] = (),
) -> Path:
    """Writes the page and a PNG for each of its pictures.

    Args:
        out (Path): Folder that gets them; it is made.
        title (str): Of the page.
        lead (Sequence[str]): Lines below it.
        sections (Sequence[Section]): What it holds.
        problems (Sequence[str]): What is missing; shown above all.

    Returns:
        Path: The page.
    """
    out.mkdir(parents=True, exist_ok=True)
    used: set[str] = set()
    for section in sections:
        for item in section.items:
            for picture in getattr(item, 'pictures', ()):
                picture.name = _new_name(picture.name, used)
                (out / f'{picture.name}.png').write_bytes(picture.png)
    text = render(title, lead, sections, problems)
    path = out / PAGE
    path.write_text(text, encoding='utf-8')
    return path


def render(
    title: str,
    lead: Sequence[str],
    sections: Sequence[Section],
    problems: Sequence[str] = (),
) -> str:
    """The HTML of a page, see :func:`write_page`."""
    # Names and texts come from data: none of them is taken for HTML.
    environment = Environment(
        loader=PackageLoader('mmuniformer.reports', '.'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {'number': number, 'embedded': _embedded}
    environment.tests |= {
        'table': lambda item: isinstance(item, Table),
        'pictures': lambda item: isinstance(item, Pictures),
        'text': lambda item: isinstance(item, Text),
        'value': lambda cell: isinstance(cell, (int, float)),
    }
    page = environment.get_template('page.html')
    return page.render(
        title=title, lead=lead, sections=sections, problems=problems
    )


def _embedded(picture: Picture) -> str:
    text = base64.b64encode(picture.png).decode()
    return f'data:image/png;base64,{text}'


def _new_name(name: str, used: set[str]) -> str:
    """A name of a file that no picture of the page has yet."""
    new, count = name, 1
    # Some file systems do not tell cases apart.
    while new.lower() in used:
        count += 1
        new = f'{name}-{count}'
    used.add(new.lower())
    return new
