"""Reading a page of a report as a browser would."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

# Elements that have no end.
VOID = {'meta', 'img', 'br', 'hr', 'input', 'link'}


class Page(HTMLParser):
    """A page, which must be well formed.

    Attributes:
        tables (dict[str, list[list[str]]]): Rows by the heading above.
        pictures (list[Image.Image]): All that it shows.
        text (str): All of its text.
        tags (set[str]): Names of all elements.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables, self.pictures, self.tags = {}, [], set()
        self.text = ''
        self._open, self._heading = [], ''
        source = path.read_text(encoding='utf-8')
        assert source.startswith('<!DOCTYPE html>')
        self.feed(source)
        self.close()
        assert not self._open, f'not closed: {self._open}'
        assert 'url(' not in source.partition('</style>')[0]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        assert len(attrs) == len(set(attrs))
        self.tags.add(tag)
        assert not any(name.startswith('on') for name in attrs)
        for name in ('src', 'href', 'srcset', 'data', 'action'):
            inside = ('#', 'data:image/png;base64,')
            assert attrs.get(name, '#').startswith(inside), attrs
        if tag == 'img':
            assert attrs['alt']
            content = attrs['src'].partition('base64,')[2]
            image = Image.open(io.BytesIO(base64.b64decode(content)))
            image.load()
            self.pictures.append(image)
        if tag == 'table':
            self.tables[self._heading] = []
        if tag == 'tr':
            self.tables[self._heading].append([])
        if tag in ('td', 'th'):
            self.tables[self._heading][-1].append('')
        if tag in ('h2', 'h3'):
            self._heading = ''
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open[-1:] == [tag]
        self._open.pop()

    def handle_data(self, data):
        self.text += data
        if not self._open:
            return
        if self._open[-1] in ('h2', 'h3'):
            self._heading += data
        elif self._open[-1] in ('td', 'th'):
            self.tables[self._heading][-1][-1] += data

    def column(self, table: str, name: str) -> dict[str, str]:
        """Cells of a column by the first cell of their row."""
        head, *rows = self.tables[table]
        place = head.index(name)
        return {row[0]: row[place] for row in rows}


def write_run(folder: Path, starts: dict[str, list[str]], config: str = ''):
    """A work dir as mmengine's runner leaves it.

    Args:
        folder (Path): It is made.
        starts (dict[str, list[str]]): Lines of numbers by the name of the
            folder of a start.
        config (str): The config that each start wrote.
    """
    for name, lines in starts.items():
        data = folder / name / 'vis_data'
        data.mkdir(parents=True)
        (data / 'scalars.json').write_text('\n'.join(lines))
        if config:
            (data / 'config.py').write_text(config, encoding='utf-8')
    folder.mkdir(exist_ok=True)
    return folder
