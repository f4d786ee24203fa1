"""The model index, the configs that it lists and the official recipes."""

import json
from pathlib import Path

import modelindex
import pytest
import yaml

ROOT = Path(__file__).parents[2]
RECIPES = {
    recipe_id: recipe
    for path in sorted((ROOT / 'tests/golden').glob('recipes_*.json'))
    for recipe_id, recipe in json.loads(path.read_text()).items()
}
MODELS = list(modelindex.load(str(ROOT / 'model-index.yml')).models)
TASKS = ('classification', 'detection', 'pose', 'segmentation', 'video')
NAMES = [model.name for model in MODELS]


def published(model) -> dict:
    """The figures of an entry that the official release prints as well."""
    metrics = {
        name: value
        for result in model.results or ()
        for name, value in result.metrics.items()
    }
    return metrics | model.metadata.data


def test_every_metafile_is_imported():
    listed = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    found = (ROOT / 'configs').rglob('metafile.yml')
    assert sorted(listed) == sorted(str(p.relative_to(ROOT)) for p in found)


def test_no_two_entries_share_a_name():
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize('model', MODELS, ids=NAMES)
def test_entry_names_its_config(model):
    config = ROOT / model.config
    assert config.is_file()
    assert config.stem == model.name
    assert config.name in (config.parent / 'README.md').read_text()


@pytest.mark.parametrize('model', MODELS, ids=NAMES)
def test_entry_follows_a_recipe(model):
    metadata = model.metadata.data
    if 'Official' in metadata:
        recipe = RECIPES[metadata['Official']]
        assert published(model).items() >= recipe['published'].items()
        schedule = recipe['schedule']
        assert metadata.get('Epochs') == schedule.get('epochs')
        assert metadata.get('Iterations') == schedule.get('iters')
    else:
        recipe = RECIPES[metadata['Derived From']]
        assert metadata['Changed']


def test_every_leaf_has_an_entry():
    leaves = {
        str(path.relative_to(ROOT))
        for task in TASKS
        for path in (ROOT / 'configs' / task).rglob('*.py')
    }
    assert leaves == {model.config for model in MODELS}


def test_every_recipe_has_an_entry():
    official = [model.metadata.data.get('Official') for model in MODELS]
    assert sorted(filter(None, official)) == sorted(RECIPES)
