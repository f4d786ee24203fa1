"""The package built, and installed in environments of its own."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]
# What a build reads.
NEEDED = (
    'CHANGELOG.md',
    'CITATION.cff',
    'CONTRIBUTING.md',
    'LICENSE',
    'MANIFEST.in',
    'README.md',
    'SECURITY.md',
    'configs',
    'docs',
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
        folder (Path): Where it is.
        packages (Path): Where its own packages are.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run(
            [sys.executable, '-m', 'venv', '--without-pip', folder], check=True
        )
        self.folder = folder
        (self.packages,) = folder.glob('lib/python*/site-packages')
        ours = sysconfig.get_path('purelib')
        # Their .pth files would lead to the package that is tested.
        (self.packages / 'all.pth').write_text(f'{ours}\n')

    def run(
        self, *args: object, program: str = 'python', cwd: Path | None = None
    ) -> subprocess.CompletedProcess:
        """Runs a program of the environment, outside any checkout."""
        return subprocess.run(
            [self.folder / 'bin' / program, *args],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self.packages,
            env={
                'PATH': '/usr/bin:/bin',
                'HOME': str(self.packages),
                'OMP_NUM_THREADS': '1',
            },
        )

    def pip(self, *args: object) -> None:
        done = self.run('-m', 'pip', '-q', *args)
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *args: object) -> None:
        options = '--no-index', '--no-deps', '--no-build-isolation'
        self.pip('install', *options, '--ignore-installed', *args)


def build(kind: str, source: Path, out: Path) -> Path:
    """Builds in ``source``, and returns the file.

    Args:
        kind (str): 'wheel' or 'sdist'.
        source (Path): The checkout.
        out (Path): Folder for the file.
    """
    out.mkdir(parents=True, exist_ok=True)
    code = (
        'import sys\nfrom setuptools import build_meta\n'
        f'file = build_meta.build_{kind}(sys.argv[1])\n'
        'sys.stderr.write(file)\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code, out],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = out.iterdir()
    return file


def copy_checkout(folder: Path) -> Path:
    """Copies what a build reads to where it may write."""
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A checkout of a module's own: a build writes into it."""
    return copy_checkout(tmp_path_factory.mktemp('checkout'))


@pytest.fixture(scope='session')
def wheel(shared: Path, tmp_path_factory) -> Path:
    """The wheel, built once in a session."""
    out = shared / 'wheel'
    with FileLock(shared / 'wheel.lock'):
        if not out.exists():
            build('wheel', copy_checkout(tmp_path_factory.mktemp('w')), out)
    (file,) = out.iterdir()
    return file


@pytest.fixture
def own_environment(tmp_path: Path) -> Environment:
    pytest.importorskip('pip')
    return Environment(tmp_path / 'venv')
