"""Public names are found where they stood before."""

from importlib import import_module

import pytest

from mmuniformer.moved import MOVED

NAMES = [(old, name) for old, names in MOVED.items() for name in names]


@pytest.mark.parametrize(('old', 'name'), NAMES)
def test_old_places(old, name):
    module, today = MOVED[old][name]
    with pytest.warns(
        DeprecationWarning, match=f'is now mmuniformer.{module}'
    ):
        found = getattr(import_module(old), name)
    assert found is getattr(import_module(f'mmuniformer.{module}'), today)


@pytest.mark.parametrize(('module', 'name'), [
    ('mmuniformer.engine.hooks', 'bare_model'),
    ('mmuniformer.models.backbones.settings', 'InputError'),
    ('mmuniformer.models.layers', 'run_block'),
])  # fmt: skip
def test_modules_that_stay_have_their_old_names(module, name):
    assert callable(getattr(import_module(module), name))


def test_other_names_are_unknown():
    module = import_module('mmuniformer.engine.training')
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        module.trian  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        import_module('mmuniformer.engine.trianing')
