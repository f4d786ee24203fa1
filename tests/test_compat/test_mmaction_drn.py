import pytest

from mmuniformer.compat import mmaction_drn


def test_the_stand_in_raises_when_built():
    pytest.importorskip('mmaction')
    if mmaction_drn.status().state != 'active':
        pytest.skip('this mmaction2 is complete')
    from mmaction.models.localizers import DRN
    from mmaction.registry import MODELS

    assert MODELS.get('DRN') is DRN
    with pytest.raises(NotImplementedError, match='packaged without'):
        MODELS.build(dict(type='mmaction.DRN'))


def test_a_complete_mmaction2_keeps_its_own(fake_package):
    folder = fake_package('mmaction')
    drn = folder / 'models' / 'localizers' / 'drn'
    drn.mkdir(parents=True)
    for parent in (drn, drn.parent, drn.parent.parent):
        (parent / '__init__.py').touch()
    (drn / 'drn.py').write_text('DRN = "theirs"')
    from mmaction.models.localizers.drn.drn import DRN

    assert DRN == 'theirs'
    assert mmaction_drn.status().state == 'not needed'


def test_an_incomplete_one_is_reported(fake_package):
    fake_package('mmaction')
    assert mmaction_drn.status().state == 'active'
