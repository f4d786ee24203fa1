"""Packages made up for a test, and our ops under mmcv's public functions."""

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
from damaged_videos import textured, write_damaged

from mmuniformer.compat import mmcv_ops

HERE = Path(__file__).parent
OP_MODULES = (
    'bbox',
    'box_iou_rotated',
    'carafe',
    'deform_conv',
    'deform_roi_pool',
    'focal_loss',
    'masked_conv',
    'modulated_deform_conv',
    'multi_scale_deform_attn',
    'nms',
    'psa_mask',
    'roi_align',
    'roi_pool',
    'tin_shift',
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


def _below(name: str) -> list[str]:
    return [
        module for module in sys.modules if f'{module}.'.startswith(f'{name}.')
    ]


@pytest.fixture(scope='session')
def new_interpreter(tmp_path_factory):
    """The finished process of ``new_interpreter.py``.

    Importing all libraries takes long: tests share the one process. Where
    decord is installed it has opened two videos that are cut off.
    """
    videos = []
    if find_spec('mmaction') and find_spec('decord'):
        folder = tmp_path_factory.mktemp('cut')
        videos = [str(folder / name) for name in ('cut.avi', 'cut.mp4')]
        cut_avi(Path(videos[0]), 0.6)
        write_damaged(Path(videos[1]), 'cut, index first')
    return subprocess.run(
        [sys.executable, '-W', 'ignore', HERE / 'new_interpreter.py', *videos],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=HERE.parents[1],
        check=False,
    )


def cut_avi(path: Path, share: float) -> None:
    """An AVI file of which only the first part is left."""
    frames = textured(60, 160)
    size = frames[0].shape[:2][::-1]
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'XVID'), 25, size
    )
    for frame in frames:
        writer.write(frame)
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
