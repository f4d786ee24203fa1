from mmuniformer.compat import mmpose_chumpy


def test_says_how_to_install_mmpose(monkeypatch):
    monkeypatch.setattr(mmpose_chumpy, 'installed', lambda name: '')
    status = mmpose_chumpy.status()
    assert status.state == 'missing'
    assert status.remedy == 'pip install --no-deps mmpose'


def test_mmpose_is_fine_without(monkeypatch):
    monkeypatch.setattr(mmpose_chumpy, 'installed', dict(mmpose='1').get)
    assert mmpose_chumpy.status().state == 'not needed'
