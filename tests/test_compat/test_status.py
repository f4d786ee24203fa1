"""The workarounds as a whole."""

from pathlib import Path

from mmuniformer import compat
from mmuniformer.compat import mmengine_flops, versions


def test_every_workaround_reports():
    states = compat.status()
    files = Path(compat.__file__).parent.glob('*.py')
    workarounds = [file for file in files if 'Upstream:' in file.read_text()]
    assert len(workarounds) >= 9
    assert len({status.name for status in states}) == len(workarounds)
    for status in states:
        assert status.message
        assert '\n' not in status.message
        assert status.remedy or status.state in ('active', 'not needed')


def test_a_report_that_fails_is_a_report(monkeypatch):
    def fail():
        raise OSError('libcudart.so.13: cannot open\nshared object file')

    monkeypatch.setattr(mmengine_flops, 'status', fail)
    broken = [s for s in compat.status() if s.state == 'broken']
    assert [s.message for s in broken] == ['libcudart.so.13: cannot open']


def test_importing_compat_imports_no_library(run_python):
    done = run_python(
        'import sys, types\n'
        'package = types.ModuleType("mmuniformer")\n'
        'package.__path__ = ["mmuniformer"]\n'
        'sys.modules["mmuniformer"] = package\n'
        'import mmuniformer.compat as compat\n'
        'compat.apply()\n'
        'print([name for name in sys.modules if name in '
        '("torch", "numpy", "mmengine", "mmcv", "torchvision", "mmdet")])'
    )
    assert done.stdout.strip() == '[]', done.stderr


def test_versions():
    assert versions.release('2.14.1+cu130') == (2, 14)
    assert versions.release('2') == (2, 0)
    assert versions.installed('numpy')[0].isdigit()
    assert versions.installed('no_such_package') == ''
    assert versions.distribution('no_such_package') == ''
