from importlib.metadata import PackageNotFoundError
from pathlib import Path

from mmuniformer import hosts

ROOT = Path(__file__).parents[1]


def test_packages_are_of_the_family_that_mmengine_is_of(monkeypatch):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(hosts, 'version', absent)
    originals = hosts.packages()
    assert originals['mmengine'] == 'mmengine'
    assert originals['mmseg'] == 'mmsegmentation'
    monkeypatch.setattr(hosts, 'version', lambda package: '0.10.12')
    forks = hosts.packages()
    assert list(forks) == list(originals)
    assert forks['mmseg'] == 'onedl-mmsegmentation'
    # Of these there is no fork.
    assert forks['mmpose'] == originals['mmpose'] == 'mmpose'


def test_the_lane_installs_all_forks():
    text = (ROOT / 'requirements' / 'forks.txt').read_text()
    lines = [line.partition('==')[0] for line in text.splitlines()]
    assert set(hosts.FORKS.values()) <= set(lines)
