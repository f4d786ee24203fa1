"""The real loaders on files that are no images."""

import importlib

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadAnnotations, LoadImageFromFile

from mmuniformer.compat import mmcv_unreadable_images

CONTENTS = pytest.mark.parametrize('content', [b'', b'no image'])


@pytest.fixture
def broken(tmp_path, content):
    path = tmp_path / 'broken.png'
    path.write_bytes(content)
    return path


def undo(monkeypatch, cls):
    """The loader as it is without us."""
    monkeypatch.setattr(cls, 'transform', cls.transform.__wrapped__)


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@CONTENTS
def test_an_image(broken, backend):
    loader = LoadImageFromFile(imdecode_backend=backend)
    # Of an image that OpenCV makes nothing of, mmcv itself names the file.
    with pytest.raises(
        (OSError, AssertionError), match=f'^failed to load image: {broken}$'
    ):
        loader(dict(img_path=str(broken)))
    ignoring = LoadImageFromFile(ignore_empty=True, imdecode_backend=backend)
    if backend == 'pillow' or not broken.stat().st_size:
        assert ignoring(dict(img_path=str(broken))) is None


@CONTENTS
def test_a_label_map(broken):
    loader = LoadAnnotations(
        with_bbox=False,
        with_label=False,
        with_seg=True,
        imdecode_backend='pillow',
    )
    with pytest.raises(OSError, match=f'^failed to load image: {broken}$'):
        loader(dict(seg_map_path=str(broken)))


@pytest.mark.parametrize(
    ('modality', 'template', 'last'),
    [
        ('RGB', 'img_{:05}.jpg', 'img_00003.jpg'),
        ('Flow', '{}_{:05}.jpg', 'y_00003.jpg'),
    ],
)
def test_a_frame(tmp_path, modality, template, last):
    loading = pytest.importorskip('mmaction.datasets.transforms.loading')
    for number in (1, 2, 3):
        for axis in 'xy':
            name = template.format(*axis[: modality == 'Flow'], number)
            cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    clip = dict(
        frame_dir=str(tmp_path),
        filename_tmpl=template,
        frame_inds=np.array([0, 2]),
        offset=1,
        modality=modality,
    )
    assert len(loading.RawFrameDecode()(dict(clip))['imgs']) == 2
    (tmp_path / last).write_bytes(b'')
    with pytest.raises(OSError, match=f'^failed to load image: .*/{last}$'):
        loading.RawFrameDecode()(dict(clip))


def test_an_error_that_names_the_file_is_passed_on(tmp_path, monkeypatch):
    path = str(tmp_path / 'a.jpg')
    with pytest.raises(FileNotFoundError, match=r'No such file.*a\.jpg'):
        LoadImageFromFile()(dict(img_path=path))

    class Repaired:
        def transform(self, results):
            raise OSError(f'{results["img_path"]} is no image')

    theirs = type('loading', (), {'LoadAnnotations': Repaired})
    theirs.LoadImageFromFile = type('Other', (Repaired,), {})
    mmcv_unreadable_images._patch_images(theirs)
    with pytest.raises(OSError, match=r'a\.jpg is no image$'):
        theirs.LoadImageFromFile().transform(dict(img_path=path))


@pytest.mark.parametrize('content', [b''])
def test_the_defect_is_there(broken, monkeypatch):
    undo(monkeypatch, LoadImageFromFile)
    for backend, kind in (('cv2', cv2.error), ('pillow', OSError)):
        with pytest.raises(kind) as caught:
            LoadImageFromFile(imdecode_backend=backend)(
                dict(img_path=str(broken))
            )
        assert broken.name not in str(caught.value)
    assert mmcv_unreadable_images.status().state == 'broken'


def test_status():
    importlib.import_module('mmcv.transforms')
    assert mmcv_unreadable_images.status().state == 'active'
