"""A mistyped option is told before anything that takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
# Scripts with arguments; recipe_behaviours.py is a list.
SCRIPTS = sorted(
    str(path.relative_to(TOOLS))
    for path in TOOLS.rglob('*.py')
    if 'add_argument' in path.read_text()
    or 'config_parser' in path.read_text()
)
SLOW = {'torch', 'mmengine', 'mmcv', 'cv2', 'mmdet', 'mmaction', 'modelindex'}
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


@pytest.mark.parametrize('script', SCRIPTS)
@pytest.mark.parametrize(('word', 'code'), [('--help', 0), ('--wrokdir', 2)])
def test_nothing_slow_is_imported(script, word, code):
    program = CODE.replace('{slow}', repr(SLOW))
    program = f'import sys; sys.argv = sys.argv[1:]\n{program}'
    done = subprocess.run(
        [sys.executable, '-c', program, str(TOOLS / script), word],
        capture_output=True,
        text=True,
    )
    assert f'imported: [] exit code: {code}' in done.stdout, done.stderr
