"""Files that a run writes."""

import os

import numpy as np
import pytest
from mmengine.config import Config

from mmuniformer.engine.backends import AtomicLocalBackend, PictureBackend
from mmuniformer.errors import UserError


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'epoch_1.pth'
    backend = AtomicLocalBackend()
    backend.put(b'whole', path)

    def full(_):
        raise OSError('No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        backend.put(b'half', path)
    assert path.read_bytes() == b'whole'
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_none_is_told(tmp_path):
    (tmp_path / 'out').write_text('a file')
    with pytest.raises(
        UserError, match=r'out/a\.pth cannot be written: File '
    ):
        AtomicLocalBackend().put(b'', tmp_path / 'out' / 'a.pth')
    (tmp_path / 'folder.pth').mkdir()
    with pytest.raises(
        UserError, match=r'folder\.pth cannot be written: Is a'
    ):
        AtomicLocalBackend().put(b'', tmp_path / 'folder.pth')


def test_picture_backend_keeps_pictures_only(tmp_path):
    backend = PictureBackend(str(tmp_path / 'out'))
    backend.add_config(Config(dict(a=1)))
    backend.add_scalars(dict(a=1))
    backend.add_image('name', np.zeros((2, 2, 3), np.uint8), step=3)
    files = [p.name for p in (tmp_path / 'out').iterdir()]
    assert files == ['name_3.png']
