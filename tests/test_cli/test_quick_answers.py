"""A mistyped option is told before anything that takes seconds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmuniformer.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools'
PROGRAM = ROOT / 'mmuniformer' / '__main__.py'
COMMANDS_FOLDER = ROOT / 'mmuniformer' / 'cli' / 'commands'
# Scripts with arguments; recipe_behaviours.py is a list.
SCRIPTS = sorted(
    str(path.relative_to(TOOLS))
    for path in TOOLS.rglob('*.py')
    if re.search(r'add_argument|config_parser|cli\.main', path.read_text())
)
SLOW = {
    'torch',
    'mmengine',
    'mmcv',
    'cv2',
    'numpy',
    'matplotlib',
    'mmdet',
    'mmaction',
    'modelindex',
}
CODE = """
import runpy, sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[0]).parent))
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
except SystemExit as end:
    slow = sorted({slow} & set(sys.modules))
    print('imported:', slow, 'exit code:', end.code)
"""


def test_all_scripts_are_found():
    assert {'train.py', 'test.py', 'demo.py'} <= set(SCRIPTS)
    assert len(SCRIPTS) > 10
    modules = {path.stem for path in COMMANDS_FOLDER.glob('[!_]*.py')}
    assert modules == set(COMMANDS)


@pytest.mark.parametrize('script', SCRIPTS)
@pytest.mark.parametrize(('word', 'code'), [('--help', 0), ('--wrokdir', 2)])
def test_no_script_imports_what_is_slow(script, word, code):
    done = run(TOOLS / script, word)
    assert f'imported: [] exit code: {code}' in done.stdout, done.stderr


@pytest.mark.parametrize(
    ('words', 'code'),
    [
        ([], 0),
        (['--help'], 0),
        (['--version'], 0),
        (['tarin'], 2),
        *[([name, '--help'], 0) for name in COMMANDS],
        *[([name, '--wrokdir'], 2) for name in COMMANDS],
    ],
)
def test_no_command_imports_what_is_slow(words, code):
    done = run(PROGRAM, *words)
    assert f'imported: [] exit code: {code}' in done.stdout, done.stderr


def run(file, *words):
    program = CODE.replace('{slow}', repr(SLOW))
    program = f'import sys; sys.argv = sys.argv[1:]\n{program}'
    return subprocess.run(
        [sys.executable, '-c', program, str(file), *words],
        capture_output=True,
        text=True,
    )
