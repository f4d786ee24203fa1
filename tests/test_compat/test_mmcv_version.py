import importlib

import pytest

from mmuniformer.compat import mmcv_version

REFUSES = """
import mmcv
seen = mmcv.__version__
assert seen < '2.2.0', f'MMCV=={seen} is used but incompatible.'
"""


@pytest.fixture
def mmcv(fake_package, monkeypatch):
    monkeypatch.setattr(mmcv_version, '_convinced', set())
    fake_package('mmcv', __init__="__version__ = '2.2.0'")
    return importlib.import_module('mmcv')


@pytest.fixture
def hooked(fake_package, monkeypatch):
    """Imports a made-up host library as the real one is imported."""
    monkeypatch.setattr(mmcv_version, 'LIBRARIES', ('host_library',))

    def load(source):
        fake_package('host_library', __init__=source)
        mmcv_version.apply()
        return importlib.import_module('host_library')

    return load


def test_a_library_that_refuses_mmcv_2_2_imports(mmcv, hooked):
    library = hooked(REFUSES)
    assert library.seen == '2.1.0'
    assert mmcv.__version__ == '2.2.0'
    assert mmcv_version.status().state == 'active'
    assert 'host_library' in mmcv_version.status().message


def test_a_library_that_accepts_it_sees_the_true_version(mmcv, hooked):
    library = hooked('import mmcv\nseen = mmcv.__version__')
    assert library.seen == '2.2.0'
    assert mmcv_version.status().state == 'not needed'


def test_an_mmcv_that_is_too_old_stays_refused(mmcv, hooked):
    mmcv.__version__ = '1.7.2'
    with pytest.raises(AssertionError, match=r'MMCV==1\.7\.2'):
        hooked(
            'import mmcv\n'
            'assert mmcv.__version__ > "2", f"MMCV=={mmcv.__version__}"'
        )


def test_other_assertions_pass_through(mmcv, hooked):
    with pytest.raises(AssertionError, match='MMEngine'):
        hooked('assert False, "MMEngine==9 is used but incompatible."')
