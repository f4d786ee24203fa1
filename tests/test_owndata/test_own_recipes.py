"""The configs that data are fitted to, and how long they train."""

from pathlib import Path

import pytest
from mmengine import Config

from mmuniformer.errors import UserError
from mmuniformer.owndata.naming import palette, sided_classes
from mmuniformer.owndata.recipe import RECIPES, base_name, recipe_file
from mmuniformer.owndata.schedule import fitted_schedulers, length_of


@pytest.mark.parametrize('task', RECIPES)
def test_every_recipe_is_there(task):
    for like in RECIPES[task]:
        assert recipe_file(task, like).is_file()
    with pytest.raises(UserError, match='small, base'):
        recipe_file(task, 'large')


def test_a_base_of_ours_is_named_wherever_the_config_is(tmp_path):
    recipe = recipe_file('cls', 'small')
    name = f'mmuniformer::classification/uniformer/{recipe.name}'
    assert base_name(recipe, tmp_path / 'own.py') == name


def test_a_base_of_the_user_is_named_from_where_the_config_is(tmp_path):
    recipe = tmp_path / 'recipes' / 'mine.py'
    assert base_name(recipe, tmp_path / 'a' / 'own.py') == '../recipes/mine.py'
    assert base_name(recipe, Path('/a/b/c/d/e/own.py')) == str(recipe)


def test_length_follows_the_size_of_the_data():
    cfg = Config(
        dict(
            default_scope='mmdet',
            train_dataloader=dict(batch_size=2, dataset={}),
            train_cfg=dict(max_epochs=12),
        )
    )
    assert length_of(cfg, 5000, 4).amount == 12
    # Too few steps: 10 in an epoch.
    few = length_of(cfg, 40, 4)
    assert (few.amount, few.steps) == (100, 1000)
    # 24 samples are 2 batches of 16, or one where the rest is left out.
    assert length_of(cfg, 24, 16).amount == 500
    cfg.train_dataloader.drop_last = True
    for samples in (24, 16):
        length = length_of(cfg, samples, 16)
        assert (length.amount, length.steps) == (1000, 1000)


def test_rates_and_lengths_of_a_schedule_are_scaled():
    cfg = Config.fromfile(recipe_file('cls', 'small'))
    length = length_of(cfg, 1000, 16)
    assert length.amount == 30
    (cosine,) = fitted_schedulers(cfg.param_scheduler, length, 16 / 1024)
    assert (cosine['epochs'], cosine['warmup_epochs']) == (30, 0)
    assert cosine['eta_min'] == pytest.approx(1e-5 / 64, rel=0.01)
    assert cosine['warmup_lr'] == pytest.approx(1e-6 / 64, rel=0.01)


def test_iterations_follow_the_passes_over_ade20k():
    cfg = Config.fromfile(recipe_file('seg', 'small'))
    length = length_of(cfg, 2021, 8)
    # A tenth of the images, a quarter of the batch.
    assert length.amount == 32_000
    warmup, cosine = fitted_schedulers(cfg.param_scheduler, length, 0.25)
    assert (warmup['end'], cosine['end']) == (1000, 32_000)
    assert length_of(cfg, 10, 8).amount == 1000
    assert length_of(cfg, 10**6, 8).amount == 80_000


def test_sides_among_classes():
    names = ('turn left', 'go', 'turn right', 'bright', 'L', 'R', 'left hand')
    assert sided_classes(names) == ['turn left', 'turn right']


def test_colours_differ():
    colours = palette([str(n) for n in range(60)])
    assert len(set(colours)) == 60
    assert palette(['background', 'thing'])[0] == (40, 40, 40)
