"""What may import what, as docs/architecture.md has it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs' / 'architecture.md'
PACKAGE = 'mmuniformer'


@cache
def imports() -> dict[str, set[str]]:
    """Modules of the package by the modules of the package they import."""
    files = {}
    for path in (ROOT / PACKAGE).rglob('*.py'):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if '.mim' not in parts:
            files['.'.join(parts).removesuffix('.__init__')] = path
    return {name: _imports(path, files) for name, path in files.items()}


def _imports(path: Path, known: dict[str, Path]) -> set[str]:
    found = set()
    # Also within functions: a late import is an import.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path} has a relative import'
            for alias in node.names:
                module = f'{node.module}.{alias.name}'
                found.add(module if module in known else node.module)
    return found & set(known)


def room(module: str) -> str:
    """What a module belongs to; the package itself is ''."""
    _, *parts = module.split('.')
    if parts[:2] == ['models', 'layers']:
        return 'models.layers'
    return parts[0] if parts else ''


def table() -> dict[str, set[str]]:
    """The rooms of the page, and what each may import besides itself."""
    section = PAGE.read_text().partition('## What may import what')[2]
    rows = re.findall(r'^\| `([\w.]+)` \|(.*)\|$', section, re.MULTILINE)
    return {name: set(re.findall(r'`([\w.]+)`', cell)) for name, cell in rows}


def test_the_page_has_every_room():
    rooms = {room(module) for module in imports()} - {''}
    assert set(table()) == rooms


@pytest.mark.parametrize('name', sorted(table()))
def test_arrows_point_one_way(name):
    allowed = table()[name] | {name}
    for module, others in imports().items():
        if room(module) == name:
            wrong = {other for other in others if room(other) not in allowed}
            assert not wrong, f'{module} imports {sorted(wrong)}'


def test_rules_that_no_table_may_loosen():
    rooms = table()
    above = {'engine', 'apis', 'cli'}
    for name in ('models', 'models.layers', 'datasets', 'checks'):
        assert not rooms[name] & above
    for name in ('models.layers', 'compat', 'errors', 'hosts', 'nodes'):
        assert not rooms[name]
    for name, allowed in rooms.items():
        if name != '__main__':
            assert 'cli' not in allowed, f'{name} is below the commands'


def test_no_modules_import_each_other():
    """Neither two nor a circle of more."""
    graph, done, path = imports(), set(), []

    def visit(module: str) -> None:
        if module in path:
            circle = [*path[path.index(module) :], module]
            raise AssertionError(' -> '.join(circle))
        if module in done:
            return
        path.append(module)
        for other in sorted(graph[module]):
            visit(other)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


def test_the_search_finds_imports(tmp_path):
    """A rule that sees nothing would hold."""
    known = dict.fromkeys(['p', 'p.a', 'p.b', 'p.c'])
    (tmp_path / 'm.py').write_text(
        'import os, p.a\nfrom p import b\n\ndef f():\n    from p.c import x\n'
    )
    assert _imports(tmp_path / 'm.py', known) == {'p.a', 'p.b', 'p.c'}
    assert room('mmuniformer.models.layers.block') == 'models.layers'
    assert len(imports()) > 60
    assert sum(map(len, imports().values())) > 150


def test_the_tree_of_the_page_is_that_of_the_package():
    text = PAGE.read_text()
    tree = re.search(r'```\nmmuniformer/.*?```', text, re.DOTALL)[0]
    named = set(re.findall(r'^  (\w+)(?:\.py|/)', tree, re.MULTILINE))
    named |= set(re.findall(r'^    (\w+)/', tree, re.MULTILINE))
    found = {
        path.stem
        for path in (ROOT / PACKAGE).iterdir()
        if path.suffix == '.py' or (path / '__init__.py').is_file()
    }
    found -= {'__init__', 'version', '__pycache__'}
    assert found <= named
    assert named - found == {
        'layers',
        'backbones',
        'heads',
        'samples',
        'networks',
        'formats',
    }
