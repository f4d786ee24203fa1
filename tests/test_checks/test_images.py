"""Image files: what is wrong with them, and their sizes as they are read."""

import json

import mmcv
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import ExifTags, Image

from mmuniformer.checks.detection.coco import check_coco
from mmuniformer.checks.images import (
    Decoder,
    check_image_files,
    decoder_of,
    look_at_images,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def image(path, orientation=None, size=(60, 40)):
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3))
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(pixels.astype(np.uint8)).save(path, exif=exif)
    return str(path)


@pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp', 'a.tif'])
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
@pytest.mark.parametrize('flag', ['color', 'unchanged'])
@pytest.mark.parametrize('orientation', [None, 3, 6])
def test_sizes_are_those_of_the_pipeline(
    tmp_path, name, backend, flag, orientation
):
    path = image(tmp_path / name, orientation)
    (seen,) = look_at_images([path], Decoder(backend, flag))
    decoded = mmcv.imread(path, flag=flag, backend=backend)
    assert (seen.height, seen.width) == decoded.shape[:2]
    assert not seen.problem


def problem(path, decode=False):
    files = [str(path)]
    seen = look_at_images(files, Decoder(), decode)
    (finding,) = check_image_files(files, seen, 'list.json')
    assert str(path) in str(finding)
    assert 'list.json' in str(finding)
    return finding


def test_problems(tmp_path):
    path = tmp_path / 'a.jpg'
    assert 'does not exist' in str(problem(path))
    path.write_bytes(b'')
    assert 'is empty' in str(problem(path))
    path.write_text('no image')
    assert 'is damaged, or no image' in str(problem(path))


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
def test_cut_off(tmp_path, name):
    path = tmp_path / name
    image(path, size=(320, 240))
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    assert 'is cut off' in str(problem(path))


def test_damage_within_is_seen_when_decoding(tmp_path):
    path = tmp_path / 'a.png'
    image(path)
    content = bytearray(path.read_bytes())
    content[200:220] = bytes(20)
    path.write_bytes(content)
    assert not look_at_images([str(path)], Decoder())[0].problem
    assert problem(path, decode=True).level in ('error', 'warning')


def test_what_phones_append_is_no_damage(tmp_path):
    path = tmp_path / 'a.jpg'
    image(path)
    path.write_bytes(path.read_bytes() + b'SEFT and more of it')
    assert not look_at_images([str(path)], Decoder())[0].problem


def test_a_changed_file_is_looked_at_again(tmp_path):
    path = image(tmp_path / 'a.png')
    assert look_at_images([path], Decoder())[0][:2] == (60, 40)
    image(path, size=(30, 20))
    assert look_at_images([path], Decoder())[0][:2] == (30, 20)


def test_many_images_are_looked_at_in_order(tmp_path):
    files = [image(tmp_path / f'{i}.png', size=(i + 1, 2)) for i in range(300)]
    seen = look_at_images(files, Decoder())
    assert [s.width for s in seen] == list(range(1, 301))


def test_decoders():
    load = dict(type='mmdet.LoadImageFromFile', imdecode_backend='pillow')
    assert decoder_of([load]) == Decoder('pillow', 'color')
    assert decoder_of([dict(type='LoadImage')]) == Decoder()
    assert decoder_of([dict(type='LoadImageFromNDArray')]) is None
    load['backend_args'] = dict(backend='local')
    assert decoder_of([load]) is not None
    load['backend_args'] = dict(backend='http')
    assert decoder_of([load]) is None


@pytest.mark.parametrize(
    ('flag', 'size', 'orientation', 'said'),
    [
        ('color', (60, 40), 6, 'turns the image and not its boxes'),
        ('color', (40, 60), 6, ''),
        ('color_ignore_orientation', (60, 40), 6, ''),
        ('color_ignore_orientation', (40, 60), 6, 'EXIF'),
        ('color', (60, 40), None, ''),
        ('color', (40, 60), None, 'not those of the file'),
        ('color', (60, 40), 3, 'without changing its size'),
    ],
)
def test_boxes_of_turned_images(tmp_path, flag, size, orientation, said):
    pytest.importorskip('mmdet')
    init_default_scope('mmdet')
    image(tmp_path / 'a.jpg', orientation)
    width, height = size
    content = dict(
        images=[dict(id=1, file_name='a.jpg', width=width, height=height)],
        annotations=[
            dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 9, 9], area=81)
        ],
        categories=[dict(id=1, name='a')],
    )
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    dataset = dict(
        type='CocoDataset',
        data_root=str(tmp_path),
        ann_file='ann.json',
        data_prefix=dict(img=''),
        metainfo=dict(classes=('a',)),
        pipeline=[dict(type='LoadImageFromFile', color_type=flag)],
    )
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    text = ' '.join(map(str, check_coco(cfg, ('train',))))
    assert (said in text) if said else not text
