"""Makes the site of the pages of the repository, as they are.

Pages lead to one another, to folders and to code by paths in the repository.
The site has a page for each of them: those outside of ``docs`` are added, and
links are turned to where their target is on the site. A link that leads
nowhere is left as it is, for a strict build to stop at.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r'^( *```.*?^ *```)$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(?<=\]\()(?!\w+:|#)([^)#\s]+)')
PROJECT = ('CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md')
LANGUAGES = {'.py': 'python', '.sh': 'shell', '.yml': 'yaml'}
# A fence that no file has.
CODE = """---
search:
  exclude: true
---
# {name}

~~~~~~{language}
{text}
~~~~~~
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Has headings named as GitHub names them."""
    config.mdx_configs['toc']['slugify'] = slugify(case='lower')
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside of ``docs``, and those of code they lead to."""
    for path in PROJECT:
        files.append(_added(config, path))
    files.append(_added(config, 'README.md'))
    for readme in sorted((ROOT / 'configs').rglob('README.md')):
        files.append(_added(config, readme.relative_to(ROOT).as_posix()))
    pages = [file for file in files if file.is_documentation_page()]
    for path in sorted({path for page in pages for path in _code(page)}):
        text = (ROOT / path).read_text(encoding='utf-8').rstrip()
        content = CODE.format(
            name=posixpath.basename(path),
            language=LANGUAGES.get(posixpath.splitext(path)[1], 'text'),
            text=text,
        )
        level = InclusionLevel.NOT_IN_NAV
        files.append(
            File.generated(
                config, place_on_site(path), content=content, inclusion=level
            )
        )
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Turns the links of a page to where their target is on the site."""
    source = place_in_repository(page.file.src_uri)
    if source is None:
        return markdown
    here = posixpath.dirname(page.file.src_uri)

    def turned(link: str) -> str:
        path = _target(source, link)
        place = path and place_on_site(path)
        return posixpath.relpath(place, here or '.') if place else link

    return _with_links(markdown, turned)


def place_on_site(path: str) -> str | None:
    """Where the page of a file or folder of the repository is.

    Args:
        path (str): From the root of the repository.

    Returns:
        str, optional: From the root of the site; None if there is no such
        file, or no page of a folder.
    """
    if (ROOT / path).is_dir():
        path = posixpath.join(path, 'README.md')
    if not (ROOT / path).is_file():
        return None
    if path == 'README.md':
        return 'index.md'
    if path.startswith('docs/'):
        return path.removeprefix('docs/')
    if path in PROJECT:
        return f'project/{path}'
    return path if path.endswith('.md') else f'code/{path}.md'


def place_in_repository(uri: str) -> str | None:
    """The file that a page of the site is made of; None if it is of code."""
    if uri.startswith('code/'):
        return None
    if uri == 'index.md':
        return 'README.md'
    if uri.startswith('configs/'):
        return uri
    name = uri.removeprefix('project/')
    return name if name in PROJECT else f'docs/{uri}'


def _added(config: MkDocsConfig, path: str) -> File:
    return File.generated(
        config, place_on_site(path), abs_src_path=str(ROOT / path)
    )


def _code(page: File) -> Iterator[str]:
    """Files of code that a page leads to."""
    source = place_in_repository(page.src_uri)
    links = []
    _with_links(page.content_string, lambda link: links.append(link) or link)
    for link in links:
        path = _target(source, link)
        if (place_on_site(path) or '').startswith('code/'):
            yield path


def _target(source: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _with_links(markdown: str, change: Callable[[str], str]) -> str:
    parts = FENCED.split(markdown)
    parts[::2] = [
        LINK.sub(lambda link: change(link[1]), part) for part in parts[::2]
    ]
    return ''.join(parts)
