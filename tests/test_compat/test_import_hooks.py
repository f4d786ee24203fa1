import importlib
import sys

import pytest

from mmuniformer.compat.import_hooks import after_import, around_import


def test_patch_waits_for_the_import(fake_package):
    fake_package('hooked_later', __init__='value = 1')
    seen = []
    after_import('hooked_later', lambda module: seen.append(module.value))
    assert seen == []
    importlib.import_module('hooked_later')
    assert seen == [1]


def test_a_module_may_have_several_each_once(fake_package):
    fake_package('hooked_twice', __init__='value = 5')
    seen = []

    def first(module):
        seen.append(('first', module.value))

    def second(module):
        seen.append(('second', module.value))

    for patch in (first, second, first):
        after_import('hooked_twice', patch)
    importlib.import_module('hooked_twice')
    assert seen == [('first', 5), ('second', 5)]


def test_patch_of_what_is_imported_is_made_now(fake_package):
    fake_package('hooked_before', __init__='value = 2')
    module = importlib.import_module('hooked_before')
    seen = []
    after_import('hooked_before', seen.append)
    assert seen == [module]


def test_a_patch_that_fails_only_warns(fake_package):
    fake_package('hooked_wrongly', __init__='value = 3')

    def patch(module):
        raise KeyError('gone')

    after_import('hooked_wrongly', patch)
    with pytest.warns(UserWarning, match='could not patch hooked_wrongly'):
        assert importlib.import_module('hooked_wrongly').value == 3


def test_loader_keeps_its_services(fake_package):
    """Sources, resources and reloading work on a hooked package."""
    import inspect

    fake_package('hooked_package', __init__='value = 4')
    around_import('hooked_package', lambda load, module: load(module))
    module = importlib.import_module('hooked_package')
    assert inspect.getsource(module).strip() == 'value = 4'
    assert importlib.reload(module).value == 4


def test_a_package_that_is_not_there_is_not_found():
    around_import('not_there_at_all', lambda load, module: load(module))
    assert importlib.util.find_spec('not_there_at_all') is None
    assert 'not_there_at_all' not in sys.modules
