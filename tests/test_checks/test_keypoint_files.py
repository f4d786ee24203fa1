"""Files of the data sets of mmpose, held to what mmpose reads of them."""

import inspect
import math
from copy import deepcopy
from functools import cache

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image
from pose_files import content, person, points, write

pytest.importorskip('mmpose')

from mmpose.datasets import datasets as host
from mmpose.datasets.datasets.base import BaseCocoStyleDataset

from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.keypoints import check_keypoints, summary
from mmuniformer.checks.keypoints.forms import forms_of
from mmuniformer.checks.keypoints.metainfo import metainfo_of

KINDS = {
    name: kind
    for name, kind in vars(host).items()
    if inspect.isclass(kind)
    and issubclass(kind, BaseCocoStyleDataset)
    # Those of MPII have a file of another form, hands in 3D their cameras.
    and name not in ('MpiiDataset', 'InterHand2DDoubleDataset')
    and name not in ('InterHand3DDataset', 'BaseCocoStyleDataset')
}
# One of each way to read an annotation.
READERS = {
    (kind.parse_data_info, kind._load_annotations): name
    for name, kind in KINDS.items()
}.values()
VIDEO = dict(frame_sampler_mode='fixed', frame_indices=[-1, 0])


@pytest.fixture(autouse=True)
def scope(tmp_path, monkeypatch):
    """Data sets are mmpose's, and nothing is known of files before."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    init_default_scope('mmpose')
    yield
    DefaultScope._instance_dict.popitem()


def config(path, phase='train', **keys) -> Config:
    settings = dict(type='CocoDataset', ann_file=str(path))
    if phase != 'train':
        settings['test_mode'] = True
    settings |= keys
    if settings['type'] == 'PoseTrack18VideoDataset':
        settings |= VIDEO
    loader = {f'{phase}_dataloader': dict(dataset=settings)}
    return Config(dict(default_scope='mmpose', **loader))


def check(path, phase='train', **keys):
    return list(check_keypoints(config(path, phase, **keys), (phase,)))


@cache
def metainfo(name: str) -> dict:
    (data_set,) = data_sets(config('', type=name), ('train',))
    return metainfo_of(data_set)[0]


def official(name: str) -> dict:
    number = metainfo(name)['num_keypoints']
    names = list(metainfo(name)['keypoint_name2id'])
    if name.startswith('CocoWholeBody') or name == 'UBody2dDataset':
        # Its own file names the 17 of COCO.
        names = list(metainfo('CocoDataset')['keypoint_name2id'])
    return content(name, number, names)


def length(name: str, path, phase='train', **keys) -> int:
    """What mmpose itself reads."""
    node = config(path, phase, type=name, **keys)[f'{phase}_dataloader']
    node = dict(node['dataset'])
    return len(KINDS[node.pop('type')](**node))


@pytest.mark.parametrize('name', KINDS)
def test_official_files_are_right(name, tmp_path):
    path = write(tmp_path / 'a.json', official(name))
    for phase in ('train', 'val'):
        assert check(path, phase, type=name) == []
    (data_set,) = data_sets(config(path, type=name), ('train',))
    assert forms_of(data_set)
    assert summary(data_set).samples == length(name, path) > 0


@pytest.mark.parametrize('name', READERS)
def test_what_is_lacking_is_told_if_mmpose_needs_it(name, tmp_path):
    whole = official(name)
    samples = None
    for part in ('annotations', 'images'):
        for key in whole[part][0]:
            damaged = deepcopy(whole)
            del damaged[part][0][key]
            path = write(tmp_path / f'{part}-{key}.json', damaged)
            findings = check(path, 'val', type=name)
            try:
                left = length(name, path, 'val')
            except Exception:  # Whatever mmpose ends with.
                left = None
            levels = {f.level for f in findings}
            assert ('error' in levels) == (not left), (key, findings)
            if left:
                samples = samples or length(
                    name, write(tmp_path / 'a.json', whole), 'val'
                )
                assert bool(findings) == (left < samples), (key, findings)
            elif left is None:
                assert any(key in str(f) for f in findings)


def damaged(tmp_path, change, people=2, name='CocoDataset', **keys):
    whole = content(
        name, 17, list(metainfo('CocoDataset')['keypoint_name2id']), people
    )
    change(whole)
    return check(write(tmp_path / 'd.json', whole), type=name, **keys)


def changed(tmp_path, **values):
    """Findings of two people, the first of whom has other values."""
    return damaged(tmp_path, lambda w: w['annotations'][0].update(values))


@pytest.mark.parametrize(
    ('values', 'level', 'words'),
    [
        (
            dict(keypoints=points(17)[:-1]),
            'error',
            'have 50 numbers in keypoints, not 51 (x, y and visibility of 17',
        ),
        (dict(keypoints=[math.nan, *points(17)[1:]]), 'error', 'NaN or inf'),
        (dict(keypoints=[math.inf, *points(17)[1:]]), 'error', 'NaN or inf'),
        (dict(keypoints=[None, *points(17)[1:]]), 'error', 'NaN or inf'),
        (dict(keypoints=['x', *points(17)[1:]]), 'error', 'than numbers'),
        (dict(keypoints=None), 'error', 'than numbers in keypoints'),
        (dict(keypoints=points(17, 3)), 'warning', 'visibility other than'),
        (
            dict(keypoints=[60, 60, -1, *points(16)], num_keypoints=16),
            'warning',
            'annotation 1: -1',
        ),
        (
            dict(keypoints=[5000, 9, 2, *points(16)]),
            'warning',
            'annotation 1: keypoint 0 at (5000, 9) of 200x160',
        ),
        (dict(keypoints=[210, 9, 2, *points(16)]), 'note', 'outside their'),
        (
            dict(keypoints=[0] * 51),
            'warning',
            'left out: all their keypoints are at 0',
        ),
        (dict(num_keypoints=0), 'warning', 'their num_keypoints is 0'),
        (dict(num_keypoints=9), 'note', 'annotation 1: 9, not 17'),
        (dict(bbox=[40, 30, 0, 70]), 'warning', 'box is empty or outside'),
        (dict(bbox=[400, 30, 20, 70]), 'warning', 'box is empty or outside'),
        (dict(bbox=[40, 30, 60]), 'error', 'no four finite numbers in bbox'),
        (dict(bbox=[]), 'error', 'no four finite numbers in bbox'),
        (dict(bbox=[math.nan, 3, 6, 7]), 'error', 'no four finite numbers'),
        (dict(image_id=7), 'warning', 'annotation 1: 7'),
        (dict(image_id='1'), 'warning', "annotation 1: '1'"),
        (dict(category_id=3), 'warning', 'annotation 1: 3'),
        (dict(id=2), 'error', 'ids belong to several annotations'),
    ],
)
def test_damaged_annotations(values, level, words, tmp_path):
    (finding,) = changed(tmp_path, **values)
    assert words in str(finding)
    assert finding.level == level
    assert finding.entry in ('annotation 1', 'annotation 2')
    assert finding.file == str(tmp_path / 'd.json')
    assert ' 1 annotations' in str(finding) or 'several' in str(finding)


@pytest.mark.parametrize(
    'values',
    [
        # Nobody labelled: as COCO has more than 100,000.
        dict(keypoints=[0] * 51, num_keypoints=0),
        dict(keypoints=[0] * 51, num_keypoints=0, bbox=[0, 0, 0, 0]),
        dict(keypoints=[0] * 51, num_keypoints=0, iscrowd=1),
        dict(keypoints=points(17, 1)),
        dict(keypoints=[200, 160, 2, *points(16)]),
        # CrowdPose counts only those that are not hidden.
        dict(keypoints=points(17, 1), num_keypoints=0),
        dict(keypoints=[*points(9, 1), *points(8)], num_keypoints=8),
        dict(bbox=[150.5, 30.2, 60, 70]),
        dict(segmentation=dict(size=[160, 200], counts=[32000])),
    ],
)
def test_what_mmpose_reads_rightly_is_right(values, tmp_path):
    assert changed(tmp_path, **values) == []


def test_many_of_a_kind_are_one_finding(tmp_path):
    def cut(whole):
        for entry in whole['annotations'][:1500]:
            entry['keypoints'] = entry['keypoints'][:48]

    (finding,) = damaged(tmp_path, cut, people=2500)
    assert str(finding).endswith(
        ': 1500 annotations have 48 numbers in keypoints, not 51 (x, y and '
        'visibility of 17 keypoints) (annotation 1, annotation 2, '
        'annotation 3, ...)'
    )


def test_images(tmp_path):
    def text(whole):
        whole['images'][0]['id'] = 'a'
        for entry in whole['annotations']:
            entry['image_id'] = 'a'

    (finding,) = damaged(tmp_path, text)
    assert 'ids that are text' in str(finding)
    with pytest.raises(TypeError):
        length('CocoDataset', tmp_path / 'd.json')
    (finding,) = damaged(
        tmp_path, lambda w: w['images'].append(dict(w['images'][0]))
    )
    assert 'ids belong to several images (image 1)' in str(finding)
    (finding, *_) = damaged(
        tmp_path, lambda w: w['images'][0].update(width=None)
    )
    assert 'width that is no size' in str(finding)


def test_nothing_left(tmp_path):
    (finding,) = damaged(tmp_path, lambda w: w.pop('annotations'))
    assert 'has no annotations' in str(finding)

    def crowds(whole):
        for entry in whole['annotations']:
            entry['iscrowd'] = 1

    (finding,) = damaged(tmp_path, crowds)
    assert 'nothing is left of 2 annotations' in str(finding)
    with pytest.raises(ValueError, match='at least one'):
        length('CocoDataset', tmp_path / 'd.json')


def test_images_without_people_test_bottom_up_models(tmp_path):
    path = write(tmp_path / 'a.json', content('CocoDataset', 17) | dict(
        annotations=[]
    ))  # fmt: skip
    assert check(path, 'val', data_mode='bottomup') == []
    assert length('CocoDataset', path, 'val', data_mode='bottomup') == 1
    (finding,) = check(path, 'val')
    assert 'name detected boxes by bbox_file' in str(finding)


def test_fractions_of_an_image(tmp_path):
    def divide(whole):
        for entry in whole['annotations']:
            p = entry['keypoints']
            p[0::3] = [x / 200 for x in p[0::3]]
            p[1::3] = [y / 160 for y in p[1::3]]

    (finding,) = damaged(tmp_path, divide)
    assert 'mmpose reads pixels' in str(finding)


def test_things_besides_people_are_passed_over(tmp_path):
    def add(whole, names=None):
        whole['categories'].append(dict(id=2, name='car', keypoints=names))
        car = person('CocoDataset', 17, 9) | dict(category_id=2)
        del car['keypoints']
        whole['annotations'].append(car)

    assert damaged(tmp_path, add) == []
    (finding,) = damaged(
        tmp_path, lambda w: w['annotations'][0].pop('keypoints')
    )
    assert (finding.level, finding.entry) == ('warning', 'annotation 1')


def test_keypoints_that_nobody_labels(tmp_path):
    def hide(whole):
        for entry in whole['annotations']:
            entry['keypoints'][3:6] = [0, 0, 0]
            entry['num_keypoints'] = 16

    (finding,) = damaged(tmp_path, hide)
    assert finding.level == 'note'
    assert 'never labels 1 of 17 keypoints: left_eye' in str(finding)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (dict(face_kpts=points(67)), '201 numbers in face_kpts, not 204'),
        (dict(keypoints=points(133)), '399 numbers in keypoints, not 51'),
        (dict(foot_kpts=[math.nan] * 18), 'NaN or infinite'),
        (dict(lefthand_kpts=None), 'than numbers in lefthand_kpts'),
    ],
)
def test_whole_body(change, words, tmp_path):
    whole = official('CocoWholeBodyDataset')
    whole['annotations'][0].update(change)
    path = write(tmp_path / 'a.json', whole)
    (finding,) = check(path, type='CocoWholeBodyDataset')
    assert words in str(finding)


def test_hands_that_are_not_there(tmp_path):
    whole = official('CocoWholeBodyHandDataset')
    whole['annotations'][0].update(
        lefthand_valid=False, lefthand_kpts=[0] * 63, lefthand_box=[0] * 4
    )
    path = write(tmp_path / 'a.json', whole)
    kind = 'CocoWholeBodyHandDataset'
    assert check(path, type=kind) == []
    (data_set,) = data_sets(config(path, type=kind), ('train',))
    assert summary(data_set).samples == length(kind, path) == 3


class OwnReader(host.CocoDataset):
    """A user's data set that reads annotations otherwise."""

    def parse_data_info(self, raw_data_info):
        return None


class OwnNames(host.CocoDataset):
    """One that does not."""


def test_data_sets_of_a_project(tmp_path):
    whole = content('CocoDataset', 16)
    path = write(tmp_path / 'a.json', whole)
    assert check(path, type=OwnReader) == []
    (finding, *_) = check(path, type=OwnNames)
    assert 'have 48 numbers in keypoints, not 51' in str(finding)


def test_a_file_is_told_of_once(tmp_path):
    cfg = config(tmp_path / 'missing.json')
    cfg.val_dataloader = cfg.train_dataloader
    (finding,) = check_keypoints(cfg, ('train', 'val'))
    assert 'missing.json does not exist' in str(finding)
    (tmp_path / 'cut.json').write_text('{"images": [')
    (finding,) = check(tmp_path / 'cut.json')
    assert 'ends in the middle' in str(finding)


def test_the_summary(tmp_path):
    path = write(tmp_path / 'a.json', official('CocoDataset'))
    cfg = config(path, data_prefix=dict(img='images'), data_root='data')
    (data_set,) = data_sets(cfg, ('train',))
    figures = summary(data_set)
    assert (figures.samples, figures.unit) == (2, 'keypoints')
    assert list(figures.classes.items())[:2] == [('nose', 2), ('left_eye', 2)]
    assert figures.sizes == {(200, 160): 1}
    assert [str(f) for f in figures.files] == ['data/images/1.jpg']


def test_image_files(tmp_path):
    def look(**keys):
        load = [dict(type='LoadImage')]
        keys = dict(data_prefix=dict(img=str(tmp_path))) | keys
        return check(path, pipeline=load, **keys)

    whole = official('CocoDataset')
    path = write(tmp_path / 'a.json', whole)
    (finding,) = look()
    assert 'none of its 1 images exists' in str(finding)
    Image.new('RGB', (200, 160)).save(tmp_path / '1.jpg')
    assert look() == []
    # Nobody is on it, so that nobody reads it.
    whole['images'].append(whole['images'][0] | dict(id=2, file_name='2.jpg'))
    path = write(tmp_path / 'b.json', whole)
    assert look() == []
    whole['annotations'][0]['image_id'] = 2
    path = write(tmp_path / 'c.json', whole)
    (finding,) = look()
    assert f'{tmp_path / "2.jpg"} does not exist' in str(finding)
    Image.new('RGB', (160, 200)).save(tmp_path / '2.jpg')
    (finding,) = look()
    assert '1 images are of another size than it says' in str(finding)
    assert '2.jpg: 160x200, not 200x160' in str(finding)
