"""The workarounds as a whole."""

import inspect
import json
import re
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmuniformer import compat
from mmuniformer.compat import mmengine_flops, versions

HERE = Path(__file__).parent
FILES = [
    file
    for file in Path(compat.__file__).parent.glob('*.py')
    if 'Upstream:' in file.read_text()
]
NAMES = [workaround.__name__ for workaround in compat.WORKAROUNDS]


def stem(name: str) -> str:
    return name.rpartition('.')[2]


def test_each_stands_once():
    assert len(FILES) >= 9
    assert sorted(map(stem, NAMES)) == sorted(file.stem for file in FILES)


def test_every_workaround_reports():
    states = compat.status()
    assert len(states) == len(FILES)
    assert len({status.name for status in states}) == len(states)
    for status in states:
        assert status.message
        assert '\n' not in status.message
        assert status.remedy or status.state in ('active', 'not needed')


@pytest.mark.parametrize('name', NAMES, ids=stem)
def test_the_head_says_what_it_is_about(name):
    text = sys.modules[name].__doc__
    heads = re.findall(r'^([A-Z][a-z]+(?: \w+)*):', text, re.MULTILINE)
    assert heads == ['Defect', 'Applies to', 'Upstream', 'Gone when']


def test_the_page_has_a_row_for_each():
    text = (HERE.parents[1] / 'docs' / 'compat.md').read_text()
    rows = re.findall(r'^\|.*\| `(\w+)\.py`[^|]*\|$', text, re.MULTILINE)
    assert Counter(rows) == Counter(map(stem, NAMES))


def test_a_report_that_fails_is_a_report(monkeypatch):
    def fail():
        raise OSError('libcudart.so.13: cannot open\nshared object file')

    monkeypatch.setattr(mmengine_flops, 'status', fail)
    broken = [s for s in compat.status() if s.state == 'broken']
    assert [s.message for s in broken] == ['libcudart.so.13: cannot open']


class TestApply:
    """In a new interpreter, before the libraries are imported and after."""

    @pytest.fixture
    def report(self, new_interpreter):
        lines = new_interpreter.stdout.splitlines()
        found = [line for line in lines if line.startswith('{')]
        assert len(found) == 1, new_interpreter.stderr
        return json.loads(found[0])

    def test_it_imports_no_library(self, report):
        assert report['imported'] == []

    @pytest.mark.parametrize('name', NAMES, ids=stem)
    def test_it_may_be_called_again(self, report, name):
        assert report['first']
        assert report['before'][name] == []
        assert report['after'][name] == []

    def test_each_replaces_a_function_once(self, report):
        replacing = {
            workaround.__name__
            for workaround in compat.WORKAROUNDS
            if hasattr(workaround, 'replace_once')
        }
        assert len(replacing) > 5
        # No workarounds: where mmengine loads what was read, and where it
        # finds the bases of a config.
        replacing |= {
            'mmuniformer.checkpoint.entries',
            'mmuniformer.config_files',
        }
        if not report['missing']:
            assert set(report['replaced']) == replacing
        for places in report['replaced'].values():
            assert {times for _, times in places} == {1}

    def test_the_real_libraries_import_under_mmcv_2_2(self, report):
        if not all(map(find_spec, ('mmdet', 'mmseg', 'mmaction'))):
            pytest.skip('needs mmdet, mmseg and mmaction2')
        assert report['mmcv'] == '2.2.0'
        assert report['convinced'].startswith('mmaction, mmdet, mmseg:')


def test_replacing_is_done_in_one_way():
    for workaround in compat.WORKAROUNDS:
        source = inspect.getsource(workaround)
        assert '__wrapped__' not in source
        assert 'wraps(' not in source
        assert 'meta_path' not in source


def test_versions():
    assert versions.release('2.14.1+cu130') == (2, 14)
    assert versions.release('2') == (2, 0)
    assert versions.installed('numpy')[0].isdigit()
    assert versions.installed('no_such_package') == ''
    assert versions.distribution('no_such_package') == ''
