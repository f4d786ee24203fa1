"""Files that mmdet reads and that are not as COCO's instances are."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.detection.coco import check_coco
from mmuniformer.checks.detection.coco import summary as coco_summary
from mmuniformer.checks.detection.voc import check_voc, summary

pytest.importorskip('mmdet')
XML = """<annotation>
  <size><width>60</width><height>40</height><depth>3</depth></size>
  <object>
    <name>{name}</name><difficult>0</difficult>
    <bndbox>
      <xmin>{box[0]}</xmin><ymin>{box[1]}</ymin>
      <xmax>{box[2]}</xmax><ymax>{box[3]}</ymax>
    </bndbox>
  </object>
</annotation>
"""


@pytest.fixture(autouse=True)
def scope(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    init_default_scope('mmdet')


def config(root: Path, **dataset) -> Config:
    dataset = dict(
        data_root=str(root),
        pipeline=[dict(type='LoadImageFromFile')],
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        **dataset,
    )
    loader = dict(batch_size=1, dataset=dataset)
    return Config(dict(default_scope='mmdet', train_dataloader=loader))


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(path)


def lvis(**values) -> dict:
    head = dict(
        id=7,
        height=40,
        width=60,
        neg_category_ids=[2],
        not_exhaustive_category_ids=[],
    )
    box = dict(
        id=1,
        image_id=7,
        category_id=1,
        bbox=[1.5, 2, 9.2, 9],
        area=70.5,
        segmentation=[[1, 2, 9, 2, 9, 9]],
    )
    names = [
        dict(id=i, name=f'n{i}', synset='x', frequency='r') for i in (1, 2)
    ]
    return dict(images=[head | values], annotations=[box], categories=names)


@pytest.mark.parametrize(
    ('kind', 'values', 'file'),
    [
        (
            'LVISV1Dataset',
            {'coco_url': 'http://images.cocodataset.org/train2017/1.jpg'},
            'train2017/1.jpg',
        ),
        (
            'LVISV05Dataset',
            {'file_name': 'COCO_train2014_000000000001.jpg'},
            '000000000001.jpg',
        ),
    ],
)
def test_lvis(tmp_path, kind, values, file):
    image(tmp_path / file)
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(lvis(**values)))
    cfg = config(
        tmp_path, type=kind, ann_file='ann.json', data_prefix=dict(img='')
    )
    assert not list(check_coco(cfg, ('train',)))
    (tmp_path / file).unlink()
    (finding,) = check_coco(cfg, ('train',))
    assert file in str(finding)
    path.write_text(json.dumps(lvis()))
    (finding,) = check_coco(cfg, ('train',))
    assert 'in image 7' in str(finding)


def panoptic() -> dict:
    segment = dict(category_id=1, iscrowd=0, bbox=[1, 2, 20, 9], area=70)
    return dict(
        images=[
            dict(id=i, file_name=f'{i}.jpg', height=40, width=60)
            for i in (1, 2)
        ],
        annotations=[
            # Ids of segments are unique within an image alone.
            dict(
                image_id=i,
                file_name=f'{i}.png',
                segments_info=[
                    segment | dict(id=5),
                    segment | dict(id=6, category_id=2),
                ],
            )
            for i in (1, 2)
        ],
        categories=[
            dict(id=1, name='person', isthing=1),
            dict(id=2, name='sky-other-merged', isthing=0),
        ],
    )


def test_panoptic(tmp_path):
    image(tmp_path / '1.jpg')
    image(tmp_path / '2.jpg')
    path = tmp_path / 'ann.json'
    cfg = config(
        tmp_path,
        type='CocoPanopticDataset',
        ann_file='ann.json',
        data_prefix=dict(img='', seg=''),
    )
    content = panoptic()
    path.write_text(json.dumps(content))
    assert not list(check_coco(cfg, ('train',)))
    found = coco_summary(next(data_sets(cfg, ('train',))))
    assert found.samples == 2
    assert found.classes['person'] == 2

    content['annotations'][1]['segments_info'][0]['category_id'] = 77
    path.write_text(json.dumps(content))
    (finding,) = check_coco(cfg, ('train',))
    assert 'segment 5 of 2.jpg' in str(finding)
    assert finding.level == 'error'

    # Instances in place of segments.
    path.write_text(json.dumps(lvis(file_name='1.jpg')))
    found = [str(f) for f in check_coco(cfg, ('train',))]
    assert any('no segments_info' in text for text in found)


@pytest.fixture
def voc(tmp_path):
    """Writes XML files; returns the findings of a training on them."""
    names = [f'{i:06d}' for i in range(3)]
    root = tmp_path / 'VOC2007'
    for name in names:
        image(root / 'JPEGImages' / f'{name}.jpg')
    (root / 'Annotations').mkdir()
    (tmp_path / 'train.txt').write_text('\n'.join(names) + '\n')
    cfg = config(
        tmp_path,
        type='VOCDataset',
        ann_file='train.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
    )

    def look(text=None, first=(1, 1, 60, 40), name='cat'):
        right = XML.format(name='cat', box=(2, 3.5, 20, 30))
        for name_of_file in names:
            path = root / 'Annotations' / f'{name_of_file}.xml'
            path.write_text(right)
        path.write_text(text or XML.format(name=name, box=first))
        return list(check_voc(cfg, ('train',)))

    look.cfg = cfg
    return look


def test_voc(voc):
    assert not voc()
    found = summary(next(data_sets(voc.cfg, ('train',))))
    assert (found.samples, found.classes['cat']) == (3, 3)
    assert found.sizes == {(60, 40): 3}


@pytest.mark.parametrize(
    ('text', 'values', 'said', 'level'),
    [
        (XML[:90], {}, 'is no XML', 'error'),
        (XML.replace('{box[0]}', ''), {}, 'without four numbers', 'error'),
        (
            XML.replace('60<', 'a<').format(name='cat', box=(1, 1, 9, 9)),
            {},
            'no width and height',
            'error',
        ),
        (None, {'first': ('nan', 1, 9, 9)}, 'NaN or infinite', 'error'),
        (None, {'first': (9, 9, 4, 20)}, 'not above', 'warning'),
        (None, {'first': (9, 9, 90, 20)}, 'reaches out', 'warning'),
        (None, {'name': 'Cat'}, 'did you mean cat', 'warning'),
        (None, {'name': 'motorbke'}, 'did you mean motorbike', 'warning'),
        (None, {'name': 'zebra'}, 'of none of the classes', 'note'),
        (
            XML.replace('60<', '99<').format(name='cat', box=(1, 1, 9, 9)),
            {},
            'another size',
            'error',
        ),
    ],
)
def test_faults_of_voc(voc, text, values, said, level):
    (finding,) = voc(text and text.replace('{name}', 'cat'), **values)
    assert said in str(finding)
    assert finding.level == level
    assert '000002' in str(finding) or level == 'note'


def test_voc_without_sizes(voc):
    text = XML.replace('60<', '0<').format(name='cat', box=(1, 1, 9, 9))
    voc.cfg.train_dataloader.dataset.filter_cfg = None
    assert not voc(text)
    voc.cfg.train_dataloader.dataset.filter_cfg = dict(min_size=32)
    (finding,) = voc(text)
    assert 'have a size of 0, and are left out' in str(finding)
    assert finding.level == 'warning'


def test_voc_without_files(voc, tmp_path):
    voc()
    (tmp_path / 'VOC2007' / 'Annotations' / '000001.xml').unlink()
    (finding,) = check_voc(voc.cfg, ('train',))
    assert '000001.xml does not exist' in str(finding)
    voc()
    (tmp_path / 'VOC2007' / 'JPEGImages' / '000001.jpg').unlink()
    (finding,) = check_voc(voc.cfg, ('train',))
    assert '000001.jpg does not exist' in str(finding)
    voc.cfg.train_dataloader.dataset.metainfo = dict(classes=('dog',))
    found = [f for f in check_voc(voc.cfg, ('train',)) if f.level == 'error']
    assert 'no object of the classes (dog) is left' in str(found[0])
