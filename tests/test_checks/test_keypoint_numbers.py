"""Numbers of keypoints that are not those of the data set."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

pytest.importorskip('mmpose')

from mmuniformer.checks.keypoints import check_keypoints


@pytest.fixture(autouse=True)
def scope():
    """Data sets are mmpose's."""
    init_default_scope('mmpose')
    yield
    DefaultScope._instance_dict.popitem()


def config(path: Path, annotations: list[dict], **dataset) -> Config:
    path.write_text(json.dumps(dict(annotations=annotations)))
    settings = dict(type='CocoDataset', ann_file=path.name) | dataset
    settings['data_root'] = str(path.parent)
    return Config(
        dict(
            default_scope='mmpose',
            train_dataloader=dict(
                dataset=dict(type='CombinedDataset', datasets=[settings])
            ),
            val_dataloader=dict(dataset=settings),
        )
    )


def person(id: int, numbers: int) -> dict:
    return dict(id=id, keypoints=[0] * numbers)


def test_each_annotation_is_found_once(tmp_path):
    annotations = [person(1, 51), person(2, 50), dict(id=3), person(4, 57)]
    path = tmp_path / 'people.json'
    findings = list(
        check_keypoints(config(path, annotations), ('train', 'val'))
    )
    assert [finding.entry for finding in findings] == [
        'annotation 2', 'annotation 4'
    ]  # fmt: skip
    assert findings[0].file == str(path)
    assert str(findings[0]) == (
        f'{path}: annotation 2 has 50 numbers in keypoints, not 51 '
        '(x, y and visibility of 17 keypoints)'
    )


def test_the_number_is_that_of_the_metainfo(tmp_path):
    metainfo = dict(from_file='configs/_base_/datasets/mpii.py')
    cfg = config(tmp_path / 'a.json', [person(1, 48)], metainfo=metainfo)
    assert not list(check_keypoints(cfg, ('val',)))
    cfg = config(tmp_path / 'a.json', [person(1, 51)], metainfo=metainfo)
    (finding,) = check_keypoints(cfg, ('val',))
    assert 'not 48' in str(finding)


@pytest.mark.parametrize(
    'dataset',
    [
        # 133 keypoints of which 17 are in `keypoints`.
        dict(type='CocoWholeBodyDataset'),
        dict(type='mmpose.CocoWholeBodyDataset', bbox_file='boxes.json'),
        # Absent, or of another kind: the library's own words are enough.
        dict(ann_file='other.json'),
        dict(type='NoSuchDataset'),
    ],
)
def test_what_the_library_reads_otherwise_is_left_alone(tmp_path, dataset):
    cfg = config(tmp_path / 'a.json', [person(1, 50)], **dataset)
    assert not list(check_keypoints(cfg, ('train', 'val')))
