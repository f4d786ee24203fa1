import importlib

import pytest

from mmuniformer.compat import xtcocotools_numpy


def test_the_command_is_given(fake_package):
    fake_package(
        'xtcocotools',
        mask='raise ValueError("numpy.dtype size changed, may indicate '
        'binary incompatibility. Expected 96 from C header, got 88")',
    )
    with pytest.raises(ValueError, match='built for numpy 1') as caught:
        importlib.import_module('xtcocotools.mask')
    assert '--no-build-isolation --no-binary xtcocotools' in str(caught.value)
    assert '\n' not in str(caught.value)
    assert xtcocotools_numpy.status().state == 'broken'
    assert xtcocotools_numpy.status().remedy == xtcocotools_numpy.REMEDY


def test_other_errors_pass_through(fake_package):
    fake_package('xtcocotools', mask='raise ValueError("other")')
    with pytest.raises(ValueError, match=r'^other$'):
        importlib.import_module('xtcocotools.mask')


def test_a_good_build(fake_package):
    fake_package('xtcocotools', mask='')
    assert xtcocotools_numpy.status().state == 'not needed'


def test_missing(monkeypatch):
    monkeypatch.setattr(xtcocotools_numpy, 'installed', lambda name: '')
    assert xtcocotools_numpy.status().state == 'missing'
