"""Annotations of COCO's form: every fault is named, right ones are not."""

import copy
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from pycocotools import mask as mask_tools

from mmuniformer.checks import check_inputs, coco_file
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.detection.coco import check_coco, summary
from mmuniformer.datasets.shapes import generate
from mmuniformer.engine.config import load_config

pytest.importorskip('mmdet')
QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'
NAN = float('nan')


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('shapes')
    generate(root, train=6, val=3, size=64)
    return root


@pytest.fixture(scope='module')
def config(data) -> Config:
    cfg = load_config(
        QUICKSTART / 'mask-rcnn_uniformer-tiny_fpn_shapes.py',
        launcher='none',
        work_dir=str(data / 'work'),
    )
    for phase in ('train', 'val', 'test'):
        cfg[f'{phase}_dataloader'].dataset.data_root = f'{data}/'
        if phase != 'train':
            file = data / 'annotations' / 'instances_val.json'
            cfg[f'{phase}_evaluator'].ann_file = str(file)
    return cfg


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def look(data, config, tmp_path):
    """Findings of a training on annotations that are changed at first."""
    text = (data / 'annotations' / 'instances_train.json').read_text()

    def look(change=None, phases=('train',), **node):
        content = json.loads(text)
        if change is not None:
            change(content)
        file = tmp_path / 'ann.json'
        file.write_text(json.dumps(content))
        cfg = copy.deepcopy(config)
        for key, value in {'ann_file': str(file), **node}.items():
            cfg.train_dataloader.dataset[key] = value
        return list(check_coco(cfg, phases))

    return look


def test_generated_data_are_right(config):
    assert not list(check_coco(config, ('train', 'val', 'test'), decode=True))


def set_all(part, **values):
    return lambda d: [entry.update(values) for entry in d[part]]


def set_first(part='annotations', **values):
    return lambda d: d[part][0].update(values)


def drop(key, part='annotations'):
    return lambda d: d[part][0].pop(key)


def corners(content):
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x, y, x + w, y + h]


def fractions(content):
    for annotation in content['annotations']:
        annotation['bbox'] = [v / 64 for v in annotation['bbox']]


def centres(content):
    """As YOLO's files have them."""
    fractions(content)
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + w / 2, y + h / 2, w, h]


def texts(key):
    def change(content):
        for annotation in content['annotations']:
            annotation[key] = str(annotation[key])

    return change


def again(part, **values):
    return lambda d: d[part].append({**d[part][0], **values})


def rle(size, **values):
    mask = np.zeros(size, np.uint8, order='F')
    mask[2:9, 3:12] = 1
    encoded = mask_tools.encode(mask)
    counts = encoded['counts'].decode()
    return {'size': list(size), 'counts': counts} | values


def sparse(content):
    """Ids with gaps, of images in text, and no annotation of the first."""
    for image in content['images']:
        image['id'] = f'image-{image["id"] * 1000}'
    for number, annotation in enumerate(content['annotations']):
        annotation['id'] = 10**12 + 7 * number
        annotation['image_id'] = f'image-{annotation["image_id"] * 1000}'
        annotation['category_id'] *= 13
    for category in content['categories']:
        category['id'] *= 13
    image = dict(content['images'][0], id='x', file_name='000001.JPG')
    content['images'].append(image)


def odd_but_right(content):
    """What is read rightly although it is not as COCO's own file has it."""
    for annotation in content['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = [x + 0.25, y, w, h + 0.5]
        annotation['attributes'] = {'occluded': True}
        del annotation['iscrowd']
    del content['info'], content['licenses']
    first, second, third = content['annotations'][:3]
    first.update(iscrowd=1, segmentation=rle((64, 64)))
    second.update(iscrowd=1, segmentation=dict(size=[64, 64], counts=[4096]))
    third.update(ignore=1, bbox=[0, 0, 0, 0], area=0)
    content['categories'].append(dict(id=99, name='not used'))
    other = dict(first, id=12345, category_id=99, bbox=[0, 0, 0, 0])
    content['annotations'].append(other)


FAULTS = {
    'nan': (set_first(bbox=[NAN, 1, 2, 3]), 'NaN', 'error'),
    'infinite': (set_first(bbox=[1, 1, float('inf'), 3]), 'infinite', 'error'),
    'three numbers': (set_first(bbox=[1, 2, 3]), 'list of 4', 'error'),
    'texts': (set_first(bbox=['1', '2', '3', '4']), 'list of 4', 'error'),
    'null': (set_first(bbox=None), 'list of 4', 'error'),
    'negative': (set_first(bbox=[9, 9, -3, 4]), 'is negative', 'warning'),
    'empty': (set_first(bbox=[9, 9, 0, 4]), 'less than a pixel', 'warning'),
    'outside': (set_first(bbox=[90, 9, 5, 5]), 'outside the', 'warning'),
    'partly': (set_first(bbox=[40, 9, 50, 5]), 'reaches out', 'warning'),
    'corners': (corners, 'seems to be x1, y1, x2, y2', 'error'),
    'too large': (set_first(bbox=[10**400, 1, 2, 3]), 'infinite', 'error'),
    'centres': (centres, 'if these are centres', 'error'),
    'fractions': (fractions, 'in fractions of the image', 'error'),
    'no bbox': (drop('bbox'), 'no bbox in', 'error'),
    'no area': (drop('area'), 'no area in', 'error'),
    'area text': (set_first(area='9'), 'area is no number', 'error'),
    'area NaN': (set_first(area=NAN), 'area is no number', 'error'),
    'area 0': (set_first(area=0), 'area is not positive', 'warning'),
    'no image_id': (drop('image_id'), 'no image_id in', 'error'),
    'no category_id': (drop('category_id'), 'no category_id in', 'error'),
    'no id': (drop('id'), 'no id in', 'error'),
    'no height': (drop('height', 'images'), 'no height in', 'error'),
    'no file_name': (drop('file_name', 'images'), 'no file_name', 'error'),
    'no text': (set_first('images', file_name=None), 'is None', 'error'),
    'ids of lists': (set_first(image_id=[1]), 'image_id is [1]', 'error'),
    'no categories': (lambda d: d.pop('categories'), 'no cat', 'error'),
    'unknown id': (set_first(category_id=77), 'none of the cat', 'warning'),
    'text id': (texts('category_id'), "category_id is '", 'error'),
    'name for an id': (
        set_first(category_id='circle'),
        "category_id is 'circle', where",
        'error',
    ),
    'file for an id': (
        set_first(image_id='000001.jpg'),
        "image_id is '000001.jpg', where",
        'error',
    ),
    'text image_id': (texts('image_id'), "image_id is '", 'error'),
    'lost': (set_first(image_id=999), 'names no image', 'warning'),
    'same ids': (again('annotations'), 'annotations share ids', 'error'),
    'same image ids': (
        again('images', file_name='b.jpg'),
        'images share ids',
        'error',
    ),
    'same files': (again('images', id=77), 'under several ids', 'warning'),
    'same category ids': (
        again('categories', name='x'),
        'categories share ids',
        'error',
    ),
    'same names': (again('categories', id=77), 'categories share n', 'error'),
    'height text': (
        set_first('images', height='64'),
        'are no positive numbers',
        'error',
    ),
    'no mask': (drop('segmentation'), 'for boxes alone set with', 'error'),
    'empty mask': (set_first(segmentation=[]), 'no segmentation', 'error'),
    'flat': (set_first(segmentation=[1, 2, 3, 4, 5, 6]), 'one list', 'error'),
    'two points': (
        set_first(segmentation=[[1, 2, 3, 4]]),
        'no polygon has 6 numbers',
        'warning',
    ),
    'odd': (
        set_first(segmentation=[[1, 2, 9, 2, 9, 9], [1, 2, 3, 4, 5, 6, 7]]),
        'an odd number',
        'warning',
    ),
    'nan in polygon': (
        set_first(segmentation=[[1, 2, 9, 2, NAN, 9]]),
        'what is no number',
        'error',
    ),
    'size of RLE': (
        set_first(segmentation=rle((32, 48))),
        'the size of RLE',
        'error',
    ),
    'counts': (
        set_first(segmentation=dict(size=[64, 64], counts=[5, 9])),
        'do not add up',
        'error',
    ),
    'counts below 0': (
        set_first(segmentation=dict(size=[64, 64], counts=[-1, 4097])),
        'do not add up',
        'error',
    ),
    'crowd text': (set_first(iscrowd='0'), 'iscrowd is text', 'error'),
    'other size': (
        set_all('images', width=100, height=120),
        'not those of the file',
        'error',
    ),
    'no boxes': (lambda d: d['annotations'].clear(), 'nothing is', 'error'),
    'other names': (
        lambda d: [c.update(name=c['name'].upper()) for c in d['categories']],
        'nothing is left after filtering',
        'error',
    ),
    'missing image': (
        set_first('images', file_name='none.jpg'),
        'none.jpg does not exist',
        'error',
    ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_fault(look, fault, tmp_path):
    change, said, level = FAULTS[fault]
    found = [f for f in look(change) if said in str(f)]
    assert [f.level for f in found] == [level]
    assert str(tmp_path / 'ann.json') in str(found[0])


@pytest.mark.skipif(
    'MMUNIFORMER_TEST_DATA' not in os.environ, reason='no real images'
)
def test_real_data_are_right(config):
    root = Path(os.environ['MMUNIFORMER_TEST_DATA'], 'coco-mini')
    file = root / 'person_keypoints.json'
    cfg = copy.deepcopy(config)
    for phase in ('train', 'val', 'test'):
        dataset = cfg[f'{phase}_dataloader'].dataset
        dataset.ann_file, dataset.data_root = file.name, str(root)
        dataset.data_prefix = dict(img='images')
        if phase != 'train':
            cfg[f'{phase}_evaluator'].ann_file = str(file)
    assert not list(check_coco(cfg, ('train', 'val', 'test'), decode=True))
    (data_set,) = data_sets(cfg, ('train',))
    assert summary(data_set).classes['person'] == 14


def test_memory_is_given_back(config):
    assert not list(check_inputs(config, ('train', 'val')))
    assert not coco_file._read


def read_by_mmdet(dataset) -> tuple | None:
    """The data set and its samples; None if the library stops."""
    from mmdet.registry import DATASETS

    try:
        built = DATASETS.build(copy.deepcopy(dataset))
        return built, [built[i] for i in range(len(built))]
    except Exception:
        return None


# pycocotools fills the memory with a mask of that, or dies.
DEADLY = {'nan in polygon', 'counts below 0'}


@pytest.mark.parametrize(
    'change', [*(f for f in FAULTS if f not in DEADLY), sparse, odd_but_right]
)
def test_it_is_as_the_library_has_it(data, config, tmp_path, change):
    """What stops mmdet is an error, and what it drops is not counted."""
    content = json.loads(
        (data / 'annotations' / 'instances_train.json').read_text()
    )
    (change if callable(change) else FAULTS[change][0])(content)
    cfg = copy.deepcopy(config)
    dataset = cfg.train_dataloader.dataset
    dataset.ann_file = str(tmp_path / 'ann.json')
    dataset.pipeline = dataset.pipeline[:2]
    Path(dataset.ann_file).write_text(json.dumps(content))
    findings = list(check_coco(cfg, ('train',)))
    errors = [finding for finding in findings if finding.level == 'error']

    result = read_by_mmdet(dataset)
    if result is None:
        assert errors
        return
    built, samples = result
    (data_set,) = data_sets(cfg, ('train',))
    found = summary(data_set)
    assert found.samples == len(samples)
    assert [str(f) for f in found.files] == [s['img_path'] for s in samples]
    if errors:
        return
    ids = {label: i for i, label in built.cat2label.items()}
    names = {c['id']: c['name'] for c in content['categories']}
    labels = [i for s in samples for i in s['gt_bboxes_labels'].tolist()]
    counted = Counter(names[ids[label]] for label in labels)
    assert {k: n for k, n in found.classes.items() if n} == counted


def test_the_entry_is_named(look):
    (finding,) = look(set_first(id=4711, bbox=[1, 2, 3]))
    assert finding.entry == 'annotation 4711 of 000001.jpg'
    assert '([1, 2, 3])' in str(finding)


def test_faults_of_one_kind_are_one_finding(look):
    (finding,) = look(lambda d: [a.pop('area') for a in d['annotations']])
    assert 'annotations: annotation 1 of 000001.jpg' in str(finding)
    assert str(finding).count(' of 0000') == 3


@pytest.mark.parametrize('change', [sparse, odd_but_right])
def test_right_in_another_form(look, change):
    assert not look(change)


def test_boxes_alone_need_no_masks(look, config):
    pipeline = copy.deepcopy(config.train_dataloader.dataset.pipeline)
    pipeline[1].with_mask = False

    def without(content):
        for annotation in content['annotations']:
            del annotation['segmentation']

    (finding,) = look(without, pipeline=pipeline)
    assert 'mask_head learns from masks' in str(finding)
    cfg = copy.deepcopy(config)
    cfg.model.roi_head.mask_head = None
    cfg.train_dataloader.dataset.pipeline = pipeline
    assert not list(check_coco(cfg, ('train',)))


def test_polygons_alone(look, config):
    pipeline = copy.deepcopy(config.train_dataloader.dataset.pipeline)
    pipeline[1].poly2mask = False
    change = set_first(segmentation=rle((64, 64)))
    (finding,) = look(change, pipeline=pipeline)
    assert 'poly2mask=True' in str(finding)
    change = set_first(segmentation=rle((64, 64)), iscrowd=1)
    assert not look(change, pipeline=pipeline)


def test_damaged_run_lengths_when_decoding(data, config, tmp_path):
    file = data / 'annotations' / 'instances_train.json'
    content = json.loads(file.read_text())
    mask = rle((64, 64))
    mask['counts'] = mask['counts'][:-2]
    content['annotations'][0]['segmentation'] = mask
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    cfg = copy.deepcopy(config)
    cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'ann.json')
    assert not list(check_coco(cfg, ('train',)))
    (finding,) = check_coco(cfg, ('train',), decode=True)
    assert 'RLE cannot be decoded' in str(finding)


def test_files_elsewhere_are_not_looked_at(look, config):
    assert not look(ann_file='s3://bucket/ann.json')
    pipeline = copy.deepcopy(config.train_dataloader.dataset.pipeline)
    pipeline[0].backend_args = dict(backend='petrel')
    assert not look(data_prefix=dict(img='none/'), pipeline=pipeline)
    assert not look(data_prefix=dict(img='s3://bucket/'))


def test_prefixes(look, data):
    (finding,) = look(data_prefix=dict(img='none/'))
    assert 'none of its 6 images exists' in str(finding)
    (finding,) = look(
        lambda d: [
            i.update(file_name=f'images/train/{i["file_name"]}')
            for i in d['images']
        ]
    )
    assert "data_prefix.img=''" in str(finding)
    findings = look(data_prefix=dict(img_path='images/train/'))
    assert "has no 'img'" in str(findings[0])

    (finding,) = look(data_prefix='images/train/')
    assert "is 'images/train/', and no dict" in str(finding)


def test_no_file(look):
    (finding,) = look(ann_file='')
    assert 'train_dataloader.dataset has no ann_file' in str(finding)


def test_a_name_that_is_a_number(look):
    (finding,) = look(set_first('categories', name=7))
    assert 'name is 7 in category 1' in str(finding)


def test_classes_of_a_project(look, data):
    from mmdet.datasets import CocoDataset

    class Placed(CocoDataset):
        def __init__(self, *args, data_prefix=None, **kwargs):
            super().__init__(*args, data_prefix=data_prefix, **kwargs)

    class Reader(CocoDataset):
        def load_data_list(self):
            return []

    (finding,) = look(drop('bbox'), type=Placed)
    assert 'no bbox in' in str(finding)
    # It may have a folder by default, and read what it likes.
    findings = look(type=Placed, data_prefix={})
    assert not any("has no 'img'" in str(finding) for finding in findings)
    assert not look(type=Reader, ann_file='none.txt')
    assert not look(drop('bbox'), type=Reader)


def test_more_than_a_batch(look):
    def two(content):
        ids = [image['id'] for image in content['images'][:2]]
        del content['images'][2:]
        content['annotations'] = [
            a for a in content['annotations'] if a['image_id'] in ids
        ]

    (finding,) = look(two)
    assert 'an epoch would have no step' in str(finding)


def test_from_the_cache_the_same(data, config, tmp_path, monkeypatch):
    file = data / 'annotations' / 'instances_train.json'
    content = json.loads(file.read_text())
    content['annotations'][0].update(bbox=[1, 2, 3])
    content['annotations'][1].update(segmentation=[])
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    cfg = copy.deepcopy(config)
    cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'ann.json')
    first = list(check_coco(cfg, ('train',)))
    assert len(first) == 2
    monkeypatch.setattr('mmuniformer.checks.detection.coco.read_coco', None)
    assert list(check_coco(cfg, ('train',))) == first


def test_summary(config, data):
    (data_set,) = data_sets(config, ('train',))
    found = summary(data_set)
    content = json.loads(
        (data / 'annotations' / 'instances_train.json').read_text()
    )
    assert found.samples == 6
    assert sum(found.classes.values()) == len(content['annotations'])
    assert list(found.classes) == list(data_set.metainfo['classes'])
    assert found.sizes == {(64, 64): 6}
    assert all(file.is_file() for file in found.files)
