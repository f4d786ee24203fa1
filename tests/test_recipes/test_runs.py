"""docs/recipe_runs.md: runs of the recipes without training."""

import re
import sys

import pytest
from experiments import CLASSIFICATION, CONFIGS, LIBRARIES, RECIPES, ROOT

sys.path.insert(0, str(ROOT / 'tools/misc'))
if not all(LIBRARIES.values()):
    pytest.skip('it is about all libraries', allow_module_level=True)
import recipe_runs
import write_recipe_runs

PAGE = write_recipe_runs.PAGE.read_text()


def test_every_experiment_is_there():
    runs = PAGE.partition('## Runs')[2].partition('## Parameters')[0]
    rows = re.findall(r'^\| `(\S+)` \|', runs, re.MULTILINE)
    assert sorted(rows) == sorted(CONFIGS)
    assert write_recipe_runs.PICTURE.is_file()


def test_samples_of_an_epoch():
    """The official steps of an epoch, by the batch of all GPUs."""
    for experiment in CLASSIFICATION:
        batch, drawn = recipe_runs.samples(experiment)
        steps = RECIPES[experiment]['steps_per_epoch']
        assert drawn == steps * batch, experiment


@pytest.mark.slow
def test_the_page_is_what_the_configs_do():
    curves = recipe_runs.curves()
    assert all(curve.furthest < 1e-6 for curve in curves)
    assert sum(len(curve.experiments) for curve in curves) == len(CONFIGS)
    assert write_recipe_runs.write(curves) == PAGE, (
        'run python tools/misc/write_recipe_runs.py'
    )
