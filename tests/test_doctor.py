"""The doctor in this environment and in broken ones."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmuniformer import compat, doctor
from mmuniformer.compat import startup

ROOT = Path(__file__).parents[1]
ALL_FIVE = all(importlib.util.find_spec(name) for name in doctor.HOSTS)


def run_doctor(path=None):
    """Runs the doctor with a folder of made-up packages in front."""
    paths = [str(item) for item in (path, ROOT) if item]
    return subprocess.run(
        [sys.executable, '-m', 'mmuniformer.doctor'],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(paths),
            'COLUMNS': '80',
            'NO_COLOR': '1',
        },
        cwd=ROOT,
        check=False,
    )


@pytest.mark.skipif(not ALL_FIVE, reason='needs all five libraries')
def test_a_complete_environment():
    done = run_doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'All five libraries can be used.' in done.stdout
    assert done.stderr == ''
    for name in (*doctor.FOUNDATION, *doctor.HOSTS, *doctor.OTHERS):
        assert f'\n  {name} ' in done.stdout
    table = done.stdout.partition('what was found')[2]
    states = 'active|not needed'
    if startup.MODULE not in sys.modules:
        # A checkout that was never installed has no start-up hook.
        states += '|missing'
    rows = re.findall(rf'^  (\S.*?)  +(?:{states}) ', table, re.M)
    assert len(rows) == len(set(rows)) == len(compat.WORKAROUNDS)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        doctor.main(['--help'])
    assert caught.value.code == 0
    assert 'Exit code 0 if' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('module', 'source', 'said'),
    [
        ('torch', 'raise OSError("libcudart.so.13: cannot open")', 'libcuda'),
        ('torch', 'raise ImportError("No module named torch")', 'No module'),
        ('mmengine', 'raise ImportError("mmengine is hurt")', 'is hurt'),
    ],
)
def test_starts_where_a_foundation_is_broken(tmp_path, module, source, said):
    (tmp_path / module).mkdir()
    (tmp_path / module / '__init__.py').write_text(source)
    done = run_doctor(path=tmp_path)
    assert done.returncode == 1
    assert said in done.stdout
    assert 'Cannot be used: mmdet, mmseg, mmpose, mmaction, mmp' in done.stdout
    assert 'Traceback' not in done.stderr


def test_torchvision_of_another_torch(tmp_path):
    (tmp_path / 'torchvision.py').write_text(
        'raise RuntimeError("operator torchvision::nms does not exist")'
    )
    done = run_doctor(path=tmp_path)
    assert done.returncode == 1
    assert '"torchvision==0.' in done.stdout.partition('To do')[2]
    assert 'torchvision, mmdet, ' in done.stdout  # one cause, said once
    assert 'Traceback' not in done.stderr


def test_a_missing_package_comes_with_its_command(monkeypatch):
    monkeypatch.setattr(doctor, 'installed', lambda module: '')
    row = doctor.examine('mmseg', 'mmseg.models', 'mmsegmentation')
    assert row.state == 'missing'
    assert row.remedy == 'pip install --no-deps mmsegmentation'
    row = doctor.examine('decord', 'decord', 'decord')
    assert row.remedy == 'pip install decord'


@pytest.mark.parametrize(
    ('source', 'message', 'remedy'),
    [
        ('import no_such_module', "No module named 'no_such_module'", 'no_s'),
        ('raise ValueError("first\\nsecond")', 'first', ''),
        ('raise KeyError()', 'KeyError()', ''),
    ],
)
def test_a_broken_package_says_why(
    tmp_path, monkeypatch, source, message, remedy
):
    (tmp_path / 'broken_library.py').write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    row = doctor.examine('broken_library', 'broken_library', 'x')
    assert row.state == 'broken'
    assert row.message == message
    assert row.remedy.startswith(f'pip install {remedy}' if remedy else '')


def test_report_lists_every_remedy_once(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')
    rows = [doctor.Row(name, '1', 'ok') for name in doctor.HOSTS]
    rows[0] = doctor.Row('mmdet', '-', 'missing', '', 'pip install mmdet')
    extra = doctor.Row('work[round]', '', 'broken', 'x', 'pip install mmdet')
    assert not doctor.report(rows, [extra])
    out = capsys.readouterr().out
    assert out.count('pip install mmdet') == 1
    assert 'work[round]' in out
    assert 'Cannot be used: mmdet.' in out


def test_without_rich(monkeypatch, capsys):
    monkeypatch.setattr(doctor, 'installed', lambda module: '')
    assert doctor.main([]) == 1
    assert capsys.readouterr().err == (
        'rich is not installed: pip install rich\n'
    )
