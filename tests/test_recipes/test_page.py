"""docs/recipes.md is what the configs do, and names tests that exist."""

import ast
import re
import sys
from functools import cache

import pytest
from experiments import CONFIGS, LIBRARIES, ROOT, config

sys.path.insert(0, str(ROOT / 'tools/misc'))
import recipe_behaviours
import write_recipes

ALL = [*recipe_behaviours.BEHAVIOURS, *recipe_behaviours.DEVIATIONS]


@pytest.fixture(scope='module')
def found() -> dict:
    if not all(LIBRARIES.values()):
        pytest.skip('the page is about the configs of all libraries')
    return {
        experiment: (path.parts[-3], config(experiment), str(path))
        for experiment, path in (
            (e, CONFIGS[e].relative_to(ROOT)) for e in CONFIGS
        )
    }


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    }


def test_the_page_is_what_the_configs_do(found):
    page = write_recipes.PAGE.read_text()
    assert write_recipes.write(found) == page, (
        'run python tools/misc/write_recipes.py'
    )


def test_every_experiment_is_there(found):
    page = write_recipes.PAGE.read_text()
    assert len(found) == 85
    rows = re.findall(r'^\| `(\S+)` \|', page, re.MULTILINE)
    assert sorted(rows) == sorted(found)


@pytest.mark.parametrize(
    'said', ALL, ids=lambda said: f'{said.task}, {said.name}'
)
def test_what_is_said_is_held_by_tests(said):
    assert said.tests
    for test in said.tests:
        path, _, name = test.partition('::')
        assert name in names_in(path), test


def test_every_sentence_is_of_an_experiment(found):
    """No behaviour and no deviation that no experiment has."""
    for said in ALL:
        configs = [c for task, c, _ in found.values() if task == said.task]
        if isinstance(said, recipe_behaviours.Deviation):
            assert any(said.concerns(cfg) for cfg in configs), said.name
        else:
            assert all(said.say(cfg) for cfg in configs), said.name
