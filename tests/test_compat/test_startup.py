"""The start-up hook: installed, in use, and uninstalled."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from package_build import Environment

from mmuniformer.compat import startup

ROOT = Path(__file__).parents[2]


def hooks(own_environment: Environment) -> set[str]:
    return {path.name for path in own_environment.packages.glob('_mmuni*')}


HOOK = {f'{startup.MODULE}.py', f'{startup.MODULE}.pth'}


@pytest.mark.parametrize('editable', [True, False])
def test_installed_and_removed(own_environment, request, editable):
    if editable:
        checkout = request.getfixturevalue('checkout')
        own_environment.install('-e', checkout)
    else:
        own_environment.install(request.getfixturevalue('wheel'))
    assert hooks(own_environment) == HOOK
    done = own_environment.run(
        '-c',
        'import sys\n'
        'heavy = {"torch", "numpy", "mmengine", "mmuniformer"}\n'
        'print(heavy & set(sys.modules), end=" ")\n'
        'print(sys.meta_path[0].__name__)\n',
    )
    assert done.stdout == 'set() LibraryFinder\n', done.stderr
    if editable and find_spec('mmdet') and find_spec('mmaction'):
        # The latter lacks a module, which a workaround supplies.
        done = own_environment.run(
            '-c',
            'from mmdet.apis import DetInferencer\n'
            'import mmaction.models, mmcv.ops, sys\n'
            'from mmuniformer.compat import mmcv_version, startup\n'
            'print(sys.modules["mmuniformer"].__file__)\n'
            'print(startup.status().state)\n',
        )
        file, state = done.stdout.splitlines()[-2:]
        assert Path(file) == checkout / 'mmuniformer' / '__init__.py'
        assert state == 'active'
    own_environment.pip('uninstall', '-y', 'mmuniformer')
    assert hooks(own_environment) == set()


def test_a_package_that_cannot_be_imported(own_environment, tmp_path):
    """The library is imported as if there were no hook."""
    hook = ROOT / 'mmuniformer' / 'compat' / 'startup_hook.py'
    shutil.copy2(hook, own_environment.packages / f'{startup.MODULE}.py')
    (own_environment.packages / 'a.pth').write_text(
        f'import {startup.MODULE}\n'
    )
    (own_environment.packages / 'mmuniformer.py').write_text('raise OSError\n')
    (own_environment.packages / 'mmseg.py').write_text('import mmdet\nx = 1\n')
    (own_environment.packages / 'mmdet.py').write_text('')
    done = own_environment.run('-c', 'import mmseg; print(mmseg.x)')
    assert done.stdout == '1\n', done.stderr


def test_importing_the_file_adds_no_finder():
    from mmuniformer.compat import startup_hook

    finders = [f for f in sys.meta_path if f is startup_hook.LibraryFinder]
    assert not finders


def test_status(monkeypatch):
    monkeypatch.delitem(sys.modules, startup.MODULE, raising=False)
    assert startup.status().state == 'missing'
    assert 'pip install' in startup.status().remedy
    monkeypatch.setitem(sys.modules, startup.MODULE, startup)
    assert startup.status().state == 'active'
