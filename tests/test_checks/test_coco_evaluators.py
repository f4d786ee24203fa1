"""Evaluators whose file is not that of the data set."""

import copy
import json
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from mmuniformer.checks.detection.coco import check_coco
from mmuniformer.datasets.shapes import generate
from mmuniformer.engine.config import load_config

QUICKSTART = Path(__file__).parents[2] / 'configs' / 'quickstart'


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('shapes')
    generate(root, train=4, val=2, size=64)
    return root


def load(data: Path, name: str) -> Config:
    cfg = load_config(
        QUICKSTART / name, launcher='none', work_dir=str(data / 'work')
    )
    for phase in ('train', 'val', 'test'):
        dataset = cfg[f'{phase}_dataloader'].dataset
        dataset.data_root = f'{data}/'
        if phase != 'train':
            file = str(data / dataset.ann_file)
            cfg[f'{phase}_evaluator'].ann_file = file
    return cfg


@pytest.fixture
def cfg(data, tmp_path, monkeypatch) -> Config:
    pytest.importorskip('mmdet')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return load(data, 'mask-rcnn_uniformer-tiny_fpn_shapes.py')


def findings(cfg, phase='test'):
    return list(check_coco(cfg, (phase,)))


def changed(data, tmp_path, change) -> str:
    file = data / 'annotations' / 'instances_val.json'
    content = json.loads(file.read_text())
    change(content)
    path = tmp_path / 'changed.json'
    path.write_text(json.dumps(content))
    return str(path)


def test_the_same_file_by_other_names(cfg, data, tmp_path, monkeypatch):
    assert not findings(cfg)
    monkeypatch.chdir(data)
    cfg.test_evaluator.ann_file = './annotations/../annotations/'
    cfg.test_evaluator.ann_file += 'instances_val.json'
    assert not findings(cfg)
    link = tmp_path / 'link.json'
    link.symlink_to(data / 'annotations' / 'instances_val.json')
    cfg.test_evaluator.ann_file = str(link)
    assert not findings(cfg)


def test_a_copy(cfg, data, tmp_path):
    copied = tmp_path / 'copy.json'
    shutil.copy(data / 'annotations' / 'instances_val.json', copied)
    cfg.test_evaluator.ann_file = str(copied)
    assert not findings(cfg)


@pytest.mark.parametrize('phase', ['val', 'test'])
def test_another_file(cfg, data, phase):
    other = str(data / 'annotations' / 'instances_train.json')
    cfg[f'{phase}_evaluator'].ann_file = other
    (finding,) = findings(cfg, phase)
    assert finding.level in ('error', 'warning')
    assert other in str(finding)
    assert 'instances_val.json' in str(finding)
    assert f'{phase}_evaluator.ann_file' in str(finding)


@pytest.mark.parametrize('host', ['mmdet', 'mmpose'])
def test_other_images_of_the_same_names(
    cfg, data, tmp_path, monkeypatch, host
):
    """Images of training and validation are often counted alike."""
    pytest.importorskip(host)
    part = 'instances'
    if host == 'mmpose':
        cfg, part = load(data, 'td-hm_uniformer-tiny_shapes.py'), 'person_key*'
    (train,) = (data / 'annotations').glob(f'{part}_train.json')
    content = json.loads(train.read_text())
    content['images'] = [i for i in content['images'] if i['id'] <= 2]
    content['annotations'] = [
        a for a in content['annotations'] if a['image_id'] <= 2
    ]
    (tmp_path / 'other.json').write_text(json.dumps(content))
    cfg.test_evaluator.ann_file = str(tmp_path / 'other.json')
    found = [f for f in findings(cfg) if 'no image has a box' in str(f)]
    assert [f.level for f in found] == ['error']


def test_other_images_under_the_same_ids(cfg, data, tmp_path):
    def rename(content):
        for image in content['images']:
            image['file_name'] = f'other_{image["file_name"]}'

    cfg.test_evaluator.ann_file = changed(data, tmp_path, rename)
    (finding,) = findings(cfg)
    assert finding.level == 'error'
    assert 'other_' in str(finding)


def test_fewer_and_more_images(cfg, data, tmp_path):
    path = changed(data, tmp_path, lambda d: d['images'].pop())
    cfg.test_evaluator.ann_file = path
    found = [f for f in findings(cfg) if f.level == 'error']
    assert 'tested images are not in it' in str(found[0])
    cfg.test_evaluator.ann_file = str(data / 'annotations/instances_val.json')
    cfg.test_dataloader.dataset.ann_file = path
    found = [f for f in findings(cfg) if 'count as missed' in str(f)]
    assert [f.level for f in found] == ['warning']


def test_missing(cfg, data):
    cfg.test_evaluator.ann_file = 'annotations/instances_val.json'
    (finding,) = findings(cfg)
    assert 'is not below data_root' in str(finding)
    cfg.test_evaluator.ann_file = 'none.json'
    (finding,) = findings(cfg)
    assert 'none.json does not exist' in str(finding)


@pytest.mark.parametrize('key', ['iscrowd', 'area', 'segmentation'])
def test_keys_that_the_evaluation_reads(cfg, data, tmp_path, key):
    path = changed(
        data, tmp_path, lambda d: [a.pop(key) for a in d['annotations']]
    )
    cfg.test_evaluator.ann_file = path
    (finding,) = findings(cfg)
    assert finding.level == 'error'
    assert f'no {key}' in str(finding)
    assert path in str(finding)


def test_a_test_set_without_annotations(cfg, data, tmp_path):
    path = changed(data, tmp_path, lambda d: d.pop('annotations'))
    cfg.test_dataloader.dataset.ann_file = path
    cfg.test_evaluator.update(ann_file=path, format_only=True)
    assert not findings(cfg)
    cfg.test_evaluator.format_only = False
    (finding,) = findings(cfg)
    assert 'no object is left' in str(finding)


def test_concatenated_data_sets(cfg, data, tmp_path):
    first = cfg.test_dataloader.dataset
    second = copy.deepcopy(first)

    def move(content):
        for image in content['images']:
            image['id'] += 100
        for annotation in content['annotations']:
            annotation['image_id'] += 100

    second.ann_file = changed(data, tmp_path, move)
    both = json.loads(Path(second.ann_file).read_text())
    one = json.loads((data / 'annotations/instances_val.json').read_text())
    both['images'] += one['images']
    both['annotations'] += [
        a | {'id': a['id'] + 1000} for a in one['annotations']
    ]
    merged = tmp_path / 'merged.json'
    merged.write_text(json.dumps(both))
    cfg.test_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[first, second]
    )
    found = findings(cfg)
    assert ['tested images are not in it' in str(f) for f in found] == [True]
    cfg.test_evaluator.ann_file = str(merged)
    assert not findings(cfg)


def test_pose(data, tmp_path, monkeypatch):
    pytest.importorskip('mmpose')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    cfg = load(data, 'td-hm_uniformer-tiny_shapes.py')
    assert not findings(cfg)
    other = str(data / 'annotations' / 'person_keypoints_train.json')
    cfg.test_evaluator.ann_file = other
    (finding,) = findings(cfg)
    assert other in str(finding)
