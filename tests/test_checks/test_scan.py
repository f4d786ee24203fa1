"""Many files in several processes, and none of them twice."""

import os
from pathlib import Path

import pytest

from mmuniformer.checks import scan

NUMBERS = list(range(1000))


def add(number):
    return NUMBERS[number] + 1, os.getpid()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def test_order_and_processes(monkeypatch):
    monkeypatch.setattr(scan, '_cpus', lambda: 2)
    results = list(scan.each(add, NUMBERS, 'numbers'))
    assert [number for number, _ in results] == list(range(1, 1001))
    assert os.getpid() not in {process for _, process in results}
    assert len(list(scan.each(add, NUMBERS[:3], 'few'))) == 3


def test_looked_at_again_when_a_file_changes(tmp_path):
    file = tmp_path / 'a.txt'
    file.write_text('1')
    calls = []

    def look():
        calls.append(file.read_text())
        return {'read': calls[-1]}

    for _ in range(2):
        assert scan.remembered([file], ['test'], look) == {'read': '1'}
    assert scan.remembered([file], ['other'], look) == {'read': '1'}
    file.write_text('22')
    assert scan.remembered([file], ['test'], look) == {'read': '22'}
    assert calls == ['1', '1', '22']


def test_a_cache_that_cannot_be_written_or_read(tmp_path, monkeypatch):
    file = tmp_path / 'a.txt'
    file.write_text('1')
    assert scan.remembered([file], ['test'], lambda: 1) == 1
    (kept,) = scan.cache_folder().glob('*.json')
    kept.write_text('{"cut of')
    assert scan.remembered([file], ['test'], lambda: 2) == 2
    monkeypatch.setattr(
        scan, 'cache_folder', lambda: Path('/proc/none/of/that')
    )
    assert scan.remembered([file], ['test'], lambda: 3) == 3


@pytest.mark.parametrize('name', scan.RANKS)
def test_one_bar_for_all_processes(name, monkeypatch):
    monkeypatch.setattr(scan.sys.stderr, 'isatty', lambda: True)
    for number, shown in (('0', True), ('3', False)):
        monkeypatch.setenv(name, number)
        assert scan._progress().disable is not shown
