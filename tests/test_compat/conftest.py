"""Packages made up for a test, and our ops under mmcv's public functions."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from mmuniformer.engine.videos import READERS

from mmuniformer.compat import mmcv_ops, versions

OP_MODULES = (
    'bbox',
    'deform_conv',
    'focal_loss',
    'modulated_deform_conv',
    'multi_scale_deform_attn',
    'nms',
    'roi_align',
    'roi_pool',
)


@pytest.fixture
def ours(monkeypatch):
    """Has ``mmcv.ops`` call our ops, whether or not mmcv is compiled."""
    for name in OP_MODULES:
        module = importlib.import_module(f'mmcv.ops.{name}')
        monkeypatch.setattr(module, 'ext_module', mmcv_ops)


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """Makes a package importable under a name, in place of a real one.

    Returns:
        A function of the package's name and its files by name.
    """
    saved = dict(sys.modules)
    names = []
    monkeypatch.syspath_prepend(str(tmp_path))
    versions._distributions.cache_clear()

    def make(name: str, **files: str) -> Path:
        names.append(name)
        for module in _below(name):
            del sys.modules[module]
        folder = tmp_path / name
        folder.mkdir()
        for stem, source in {'__init__': '', **files}.items():
            (folder / f'{stem}.py').write_text(source)
        importlib.invalidate_caches()
        return folder

    yield make
    for name in names:
        for module in _below(name):
            del sys.modules[module]
    sys.modules.update(saved)
    versions._distributions.cache_clear()


def _below(name: str) -> list[str]:
    return [
        module for module in sys.modules if f'{module}.'.startswith(f'{name}.')
    ]


@pytest.fixture
def run_python():
    """Runs code in a new interpreter and returns the finished process."""

    def run(code: str, **env: str) -> subprocess.CompletedProcess:
        import os

        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **env},
            check=False,
        )

    return run


@pytest.fixture
def plain_readers(monkeypatch):
    """mmaction2's readers without the engine's words about a file.

    The engine adds them for the whole process.
    """
    loading = pytest.importorskip('mmaction.datasets.transforms.loading')
    for reader in READERS:
        for step in ('Init', 'Decode'):
            cls = getattr(loading, f'{reader}{step}')
            if hasattr(cls.transform, 'names_file'):
                plain = cls.transform.__wrapped__
                monkeypatch.setattr(cls, 'transform', plain)
