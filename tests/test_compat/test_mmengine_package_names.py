from pathlib import Path
from types import ModuleType

import pytest
from mmengine.config import Config

from mmuniformer.compat import mmengine_package_names as names


@pytest.fixture
def utils(monkeypatch):
    """mmengine's module of names, with some that it does not know."""
    monkeypatch.setattr(names, '_told', set())
    module = ModuleType('utils')
    module.MODULE2PACKAGE = dict(
        fork='of-another-name', yaml='pyyaml', absent='not-installed'
    )
    return module


def test_a_module_of_another_package_is_found_by_its_name(utils, fake_package):
    fake_package('fork')
    names._patch(utils)
    told = dict(fork='fork', yaml='pyyaml', absent='not-installed')
    assert told == utils.MODULE2PACKAGE
    status = names.status()
    assert status.state == 'active'
    assert status.message == 'fork of a path is found by its module'


def test_nothing_is_told_where_all_are_known(utils):
    names._patch(utils)
    assert utils.MODULE2PACKAGE['absent'] == 'not-installed'
    assert names.status().state == 'not needed'


def test_mmengine_reads_a_config_of_it(fake_package, tmp_path, monkeypatch):
    import mmengine.config.utils as real

    monkeypatch.setattr(names, '_told', set())
    monkeypatch.setitem(real.MODULE2PACKAGE, 'fork', 'of-another-name')
    configs = fake_package('fork') / '.mim' / 'configs' / 'any'
    configs.mkdir(parents=True)
    (configs / 'a.py').write_text('x = 1')
    (configs.parents[1] / 'model-index.yml').write_text('Import: []')
    leaf = tmp_path / 'leaf.py'
    leaf.write_text("_base_ = 'fork::any/a.py'")
    with pytest.raises(ModuleNotFoundError, match='of-another-name'):
        Config.fromfile(leaf)
    names._patch(real)
    assert Config.fromfile(leaf).x == 1


@pytest.mark.parametrize(
    'base',
    [
        'mmdet::_base_/default_runtime.py',
        'mmseg::_base_/default_runtime.py',
        'mmpretrain::_base_/default_runtime.py',
    ],
)
def test_of_the_libraries_that_are_here(base, tmp_path):
    scope = base.partition('::')[0]
    library = pytest.importorskip(scope)
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = {base!r}')
    assert Config.fromfile(leaf).default_scope == scope
    assert (Path(library.__file__).parent / '.mim' / 'configs').is_dir()
