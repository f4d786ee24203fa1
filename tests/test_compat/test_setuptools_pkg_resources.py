import importlib
import sys
from types import ModuleType

import pytest
from mmengine.utils import package_utils

from mmuniformer.compat import setuptools_pkg_resources as pkg

needed = pytest.mark.skipif(
    not pkg._needed_by(package_utils), reason='this mmengine does without'
)


@pytest.fixture
def without(monkeypatch):
    """An environment whose setuptools has no pkg_resources."""
    for name in list(sys.modules):
        if name.partition('.')[0] == pkg.NAME:
            monkeypatch.delitem(sys.modules, name)

    class Hide:
        """Everything but our own finder, without pkg_resources."""

        def __init__(self, finder):
            self.finder = finder

        def __getattr__(self, name):
            return getattr(self.finder, name)

        def find_spec(self, name, *args):
            if name != pkg.NAME:
                return self.finder.find_spec(name, *args)
            return None

    monkeypatch.setattr(
        sys,
        'meta_path',
        [
            finder if finder is pkg.MissingFinder else Hide(finder)
            for finder in sys.meta_path
        ],
    )


@needed
def test_mmengine_says_what_to_install(without):
    with pytest.raises(ModuleNotFoundError) as caught:
        package_utils.get_installed_path('mmdet')
    assert 'setuptools 82' in str(caught.value)
    assert 'pip install "setuptools<81"' in str(caught.value)
    assert pkg.status().state == 'broken'


@needed
def test_import_of_mmengine_warns(without):
    with pytest.warns(UserWarning, match='setuptools<81'):
        pkg._warn(package_utils)


def test_others_get_the_usual_error(without):
    with pytest.raises(ModuleNotFoundError, match='No module named'):
        importlib.import_module('pkg_resources')


def test_an_mmengine_that_does_without_is_left_alone(without):
    fixed = ModuleType('fixed')
    fixed.get_installed_path = lambda package: package
    assert not pkg._needed_by(fixed)


def test_status_with_pkg_resources():
    pytest.importorskip('pkg_resources')
    assert pkg.status().state == 'not needed'
