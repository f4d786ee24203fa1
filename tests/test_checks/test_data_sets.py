"""The data sets that a config names."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.data_sets import (
    check_types,
    data_sets,
    evaluators,
)


def coco(**keys):
    return dict(type='CocoDataset', data_root='data', **keys)


@pytest.fixture
def cfg():
    pytest.importorskip('mmdet')
    init_default_scope('mmdet')
    return Config(
        dict(
            train_dataloader=dict(
                dataset=dict(
                    type='RepeatDataset',
                    times=2,
                    dataset=dict(
                        type='ConcatDataset',
                        datasets=[
                            coco(ann_file='a.json'),
                            coco(ann_file='/b.json'),
                        ],
                    ),
                )
            ),
            val_dataloader=dict(
                dataset=coco(
                    ann_file='s3://c/c.json',
                    metainfo=dict(classes=('a', 'b')),
                )
            ),
            val_evaluator=[dict(type='CocoMetric'), dict(type='VOCMetric')],
        )
    )


def test_within_wrappers(cfg):
    first, second = data_sets(cfg, ['train'])
    assert first.path == 'train_dataloader.dataset.dataset.datasets.0'
    assert (first.host, first.name) == ('mmdet', 'CocoDataset')
    assert first.ann_file == Path('data/a.json')
    assert second.ann_file == Path('/b.json')
    assert first.metainfo['classes'][0] == 'person'


def test_what_is_elsewhere_and_what_a_config_overrides(cfg):
    (val,) = data_sets(cfg, ['val', 'test'])
    assert val.ann_file is None
    assert val.metainfo['classes'] == ('a', 'b')


def test_arguments_of_a_data_set(cfg):
    assert not list(check_types(cfg, ['train', 'val']))
    node = cfg.val_dataloader.dataset
    node.annfile = node.pop('ann_file')
    node.classes = ('a', 'b')
    cfg.train_dataloader.dataset.time = cfg.train_dataloader.dataset.times
    found = {f.entry: str(f) for f in check_types(cfg, ['train', 'val'])}
    assert len(found) == 3
    place = 'val_dataloader.dataset'
    assert 'did you mean ann_file' in found[f'{place}.annfile']
    assert f'set {place}.metainfo=dict(' in found[f'{place}.classes']
    assert 'did you mean times' in found['train_dataloader.dataset.time']


def test_evaluators(cfg):
    found = [
        (path, node['type']) for _, path, node in evaluators(cfg, ['val'])
    ]
    assert found == [
        ('val_evaluator.0', 'CocoMetric'),
        ('val_evaluator.1', 'VOCMetric'),
    ]


def test_one_library_is_enough():
    """Whose data sets are looked at imports none of the others."""
    pytest.importorskip('mmdet')
    code = """
import sys
sys.modules.update(dict.fromkeys(['mmseg', 'mmpose', 'mmaction']))
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmuniformer.checks.data_sets import check_types
init_default_scope('mmdet')
loader = dict(dataset=dict(type='CocoDataset', ann='a.json'))
(found,) = check_types(Config(dict(val_dataloader=loader)), ['val'])
sys.exit(found.entry != 'val_dataloader.dataset.ann')
"""
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
