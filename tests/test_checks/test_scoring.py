"""Metrics need something to compare predictions with."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks.scoring import check_scoring, scoring


def coco(tmp_path: Path, evaluator: dict, **content) -> Config:
    pytest.importorskip('mmdet')
    init_default_scope('mmdet')
    file = tmp_path / 'test.json'
    file.write_text(json.dumps(dict(images=[], categories=[]) | content))
    data_set = dict(
        type='CocoDataset', data_root=str(tmp_path), ann_file='test.json'
    )
    return Config(
        dict(
            default_scope='mmdet',
            test_dataloader=dict(dataset=data_set),
            test_evaluator=[evaluator, dict(type='DumpDetResults')],
        )
    )


@pytest.mark.parametrize('named', [True, False])
@pytest.mark.parametrize('content', [{}, dict(annotations=[])])
def test_a_file_without_annotations(tmp_path, named, content):
    evaluator = dict(type='CocoMetric')
    if named:
        evaluator['ann_file'] = str(tmp_path / 'test.json')
    cfg = coco(tmp_path, evaluator, **content)
    (finding,) = check_scoring(cfg, ['test'])
    assert finding.file == str(tmp_path / 'test.json')
    assert 'has no annotations: CocoMetric would score' in finding.what
    assert '"test_evaluator=[]"' in finding.mend
    cfg.test_evaluator[0]['format_only'] = True
    assert list(check_scoring(cfg, ['test'])) == []
    assert scoring(cfg, 'test') == ()


def test_a_file_with_annotations(tmp_path):
    cfg = coco(tmp_path, dict(type='CocoMetric'), annotations=[dict(id=1)])
    assert list(check_scoring(cfg, ['test'])) == []
    assert scoring(cfg, 'test') == ('CocoMetric',)


def test_maps_that_are_not_named():
    pytest.importorskip('mmseg')
    init_default_scope('mmseg')
    prefix = dict(img_path='images')
    data_set = dict(type='ADE20KDataset', data_prefix=prefix)
    cfg = Config(
        dict(
            default_scope='mmseg',
            test_dataloader=dict(dataset=data_set),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
        )
    )
    (finding,) = check_scoring(cfg, ['test'])
    assert 'has no seg_map_path: IoUMetric would have' in finding.what
    cfg.test_dataloader.dataset.data_prefix.seg_map_path = 'maps'
    assert list(check_scoring(cfg, ['test'])) == []
    del cfg.test_dataloader.dataset['data_prefix']
    assert list(check_scoring(cfg, ['test'])) == []


@pytest.mark.parametrize(
    ('number', 'topk', 'mend'),
    [
        (3, (1, 5), '(1,)'),
        (4, [1, 3, 5], '(1, 3)'),
        (5, (1, 5), None),
        (2, 1, None),
        (4, 5, '(1,)'),
    ],
)
def test_an_accuracy_among_more_classes_than_there_are(number, topk, mend):
    pytest.importorskip('mmpretrain')
    init_default_scope('mmpretrain')
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(head=dict(num_classes=number)),
            val_evaluator=[dict(type='Accuracy', topk=topk)],
        )
    )
    told = list(check_scoring(cfg, ['val']))
    if mend is None:
        assert not told
        return
    (finding,) = told
    assert f'the model has {number} classes' in finding.what
    assert finding.entry == 'val_evaluator.0.topk'
    assert finding.mend == f'set val_evaluator.0.topk={mend}'
