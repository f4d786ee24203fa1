import sys
from pathlib import Path

import pytest

from mmuniformer import compat
from mmuniformer.compat import mmcv_ext


def test_apply_may_be_repeated():
    compat.apply()
    before = list(sys.meta_path)
    compat.apply()
    assert sys.meta_path == before


def test_serves_an_mmcv_without_extension(fake_package):
    fake_package('mmcv')
    import mmcv._ext

    assert Path(mmcv._ext.__spec__.origin).name == 'mmcv_ops.py'
    assert mmcv._ext.__spec__.name == 'mmcv._ext'
    assert mmcv_ext.status().state == 'active'


def test_a_compiled_extension_wins(fake_package):
    fake_package('mmcv', _ext='nms = "compiled"')
    import mmcv._ext

    assert mmcv._ext.nms == 'compiled'
    assert mmcv_ext.status().state == 'not needed'


@pytest.mark.parametrize(
    ('package', 'remedy'),
    [
        ('mmcv', 'pip uninstall -y mmcv && pip install --no-deps mmcv-lite'),
        ('a-fork', 'pip install --no-deps --force-reinstall --no-cache-dir a'),
    ],
)
def test_reports_an_extension_that_does_not_load(
    fake_package, monkeypatch, package, remedy
):
    monkeypatch.setattr(mmcv_ext, 'distribution', lambda module: package)
    fake_package('mmcv', _ext='raise ImportError("undefined symbol: _ZN2")')
    status = mmcv_ext.status()
    assert status.state == 'broken'
    assert 'undefined symbol' in status.message
    assert status.remedy.startswith(remedy)


def test_finds_nothing_else():
    assert mmcv_ext.ExtensionFinder.find_spec('mmcv._extra') is None


def test_all_ops_of_mmcv_import():
    import mmcv.ops

    assert callable(mmcv.ops.carafe)
