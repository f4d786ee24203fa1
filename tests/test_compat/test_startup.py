"""The start-up hook: installed, in use, and uninstalled."""

import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmuniformer.compat import startup

ROOT = Path(__file__).parents[2]
NEEDED = (
    'LICENSE',
    'README.md',
    'configs',
    'mmuniformer',
    'model-index.yml',
    'pyproject.toml',
    'requirements',
    'setup.py',
    'tools',
)


class Environment:
    """A virtual environment that sees the packages of this one.

    Attributes:
        packages (Path): Where its own packages are.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run(
            [sys.executable, '-m', 'venv', '--without-pip', folder], check=True
        )
        self.python = folder / 'bin' / 'python'
        (self.packages,) = folder.glob('lib/python*/site-packages')
        ours = sysconfig.get_path('purelib')
        # Their .pth files would lead to the package that is tested.
        (self.packages / 'all.pth').write_text(f'{ours}\n')

    def run(self, *args: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.python, *args],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.packages,
            env={'PATH': '/usr/bin:/bin', 'HOME': str(self.packages)},
        )

    def pip(self, *args: object) -> None:
        done = self.run('-m', 'pip', '-q', *args)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *args: object) -> None:
        options = '--no-index', '--no-deps', '--no-build-isolation'
        self.pip('install', *options, '--ignore-installed', *args)


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkout')
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture
def environment(tmp_path):
    pytest.importorskip('pip')
    return Environment(tmp_path / 'venv')


def hooks(environment: Environment) -> set[str]:
    return {path.name for path in environment.packages.glob('_mmuni*')}


HOOK = {f'{startup.MODULE}.py', f'{startup.MODULE}.pth'}


@pytest.mark.parametrize('editable', [True, False])
def test_installed_and_removed(environment, checkout, editable):
    environment.install(*['-e'][: int(editable)], checkout)
    assert hooks(environment) == HOOK
    done = environment.run(
        '-c',
        'import sys\n'
        'heavy = {"torch", "numpy", "mmengine", "mmuniformer"}\n'
        'print(heavy & set(sys.modules), end=" ")\n'
        'print(sys.meta_path[0].__name__)\n',
    )
    assert done.stdout == 'set() LibraryFinder\n', done.stderr
    if editable and find_spec('mmdet') and find_spec('mmaction'):
        # The latter lacks a module, which a workaround supplies.
        done = environment.run(
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
    environment.pip('uninstall', '-y', 'mmuniformer')
    assert hooks(environment) == set()


def test_a_package_that_cannot_be_imported(environment, tmp_path):
    """The library is imported as if there were no hook."""
    hook = ROOT / 'mmuniformer' / 'compat' / 'startup_hook.py'
    shutil.copy2(hook, environment.packages / f'{startup.MODULE}.py')
    (environment.packages / 'a.pth').write_text(f'import {startup.MODULE}\n')
    (environment.packages / 'mmuniformer.py').write_text('raise OSError\n')
    (environment.packages / 'mmseg.py').write_text('import mmdet\nx = 1\n')
    (environment.packages / 'mmdet.py').write_text('')
    done = environment.run('-c', 'import mmseg; print(mmseg.x)')
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
