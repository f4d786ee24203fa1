"""Names, swaps, numbers, codecs and metrics of a config of mmpose."""

import json
import os
from copy import deepcopy
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from pose_files import content, person, points, write

pytest.importorskip('mmpose')

import mmpose

from mmuniformer.checks import data_checks
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.keypoints import check_keypoints, summary
from mmuniformer.checks.keypoints.names import compare_names, parse_name

ROOT = Path(__file__).parents[2]
HOST = Path(mmpose.__file__).parent / '.mim' / 'configs'
META = HOST / '_base_' / 'datasets'
# A file that is not on this machine is not looked at.
ELSEWHERE = 's3://bucket/person.json'


@pytest.fixture(autouse=True)
def scope(tmp_path, monkeypatch):
    """Data sets are mmpose's, and nothing is known of files before."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    init_default_scope('mmpose')
    yield
    DefaultScope._instance_dict.popitem()


def info(name: str) -> dict:
    """A metainfo of mmpose to change."""
    raw = Config.fromfile(META / f'{name}.py').dataset_info
    return deepcopy(raw.to_dict())


def names(name: str) -> list[str]:
    return [kpt['name'] for kpt in info(name)['keypoint_info'].values()]


def config(phase='train', evaluator=None, model=None, **keys) -> Config:
    settings = dict(type='CocoDataset', ann_file=ELSEWHERE, pipeline=[])
    if phase != 'train':
        settings['test_mode'] = True
    return Config(
        {
            'default_scope': 'mmpose',
            'model': model or {},
            f'{phase}_dataloader': dict(dataset=settings | keys),
            f'{phase}_evaluator': evaluator or {},
        }
    )


def check(phase='train', evaluator=None, model=None, **keys):
    cfg = config(phase, evaluator, model, **keys)
    before = deepcopy(cfg.to_dict())
    findings = list(check_keypoints(cfg, (phase,)))
    assert cfg.to_dict() == before
    return findings


# Names


@pytest.mark.parametrize(
    'text',
    ['left_eye', 'L_Eye', 'eyeL', 'Left Eye', 'LEye', 'eye-left', 'lefteye'],
)
def test_spellings_of_a_name(text):
    assert parse_name(text) == ('l', ('eye',))
    assert parse_name(text).mirrored == parse_name('right_eye')


@pytest.mark.parametrize(
    ('file', 'metainfo'),
    [
        # As AP-10K and CrowdPose are published.
        (
            'left_eye right_eye nose neck root_of_tail left_shoulder '
            'left_elbow left_front_paw right_shoulder right_elbow '
            'right_front_paw left_hip left_knee left_back_paw right_hip '
            'right_knee right_back_paw',
            'ap10k',
        ),
        (
            'left_shoulder right_shoulder left_elbow right_elbow left_wrist '
            'right_wrist left_hip right_hip left_knee right_knee left_ankle '
            'right_ankle head neck',
            'crowdpose',
        ),
        (' '.join(map(str, range(68))), '300w'),
        (' '.join(f'landmark_{i}' for i in range(98)), 'wflw'),
        (' '.join(names('coco')), 'coco_wholebody'),
    ],
)
def test_other_spellings_are_right(file, metainfo):
    assert compare_names(file.split(), names(metainfo)) == ([], [])


def test_names_that_only_number():
    theirs = names('coco')
    assert compare_names(theirs, [f'k{i}' for i in range(17)]) == ([], [])


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda d: d.pop('sigmas'), 'lacks sigmas'),
        (lambda d: d['keypoint_info'][3].update(swap='x'), "names 'x'"),
        (
            lambda d: d.update(
                keypoint_info={i + 1: k for i, k in d['keypoint_info'].items()}
            ),
            'not numbered',
        ),
    ],
)
def test_metainfo_that_cannot_be_used(change, said, tmp_path):
    """One finding of all checks, and no figures."""
    whole = content('CocoDataset', 17, names('coco'))
    file = write(tmp_path / 'person.json', whole)
    meta = info('coco')
    change(meta)
    cfg = config(metainfo=meta, ann_file=file)
    (finding,) = chain(*data_checks(cfg, ('train',)))
    assert said in str(finding)
    (data_set,) = data_sets(cfg, ('train',))
    assert summary(data_set) is None


def test_no_file_and_no_folder():
    (finding,) = check(ann_file='')
    assert 'has no ann_file' in str(finding)


def test_names_of_all_that_mmpose_has():
    for file in META.glob('*.py'):
        known = names(file.stem)
        assert compare_names([n.upper() for n in known], known) == ([], [])


def findings_of_names(tmp_path, theirs, kind='CocoDataset', **keys):
    number = len(theirs)
    path = write(tmp_path / 'a.json', content(kind, number, theirs))
    return check(type=kind, ann_file=path, **keys)


def test_an_animal_with_the_names_of_a_person(tmp_path):
    (finding,) = findings_of_names(tmp_path, names('ap10k'))
    assert finding.level == 'error'
    assert '0 is "L_Eye" in the file and "nose" in metainfo' in str(finding)
    assert findings_of_names(tmp_path, names('ap10k'), 'AP10KDataset') == []


def test_another_order(tmp_path):
    swapped = names('coco')
    swapped[1:3] = swapped[2:0:-1]
    (finding,) = findings_of_names(tmp_path, swapped)
    assert finding.level == 'error'
    assert (
        '1 is "right_eye" in the file and "left_eye" in metainfo, 2 is '
        '"left_eye"'
    ) in str(finding)


def test_other_words(tmp_path):
    others = [f'{chr(97 + i)}{chr(98 + i)}part' for i in range(17)]
    (finding,) = findings_of_names(tmp_path, others)
    assert finding.level == 'error'
    few = ['snout', *names('coco')[1:]]
    (finding,) = findings_of_names(tmp_path, few)
    assert finding.level == 'warning'


def test_another_number_of_keypoints(tmp_path):
    first, *_ = findings_of_names(tmp_path, names('mpii'))
    assert 'names of keypoints' in str(first)
    (number,) = findings_of_names(tmp_path, [])[:1]
    assert '0 numbers in keypoints, not 51' in str(number)


# Metainfo


@pytest.mark.parametrize(
    ('change', 'level', 'words'),
    [
        (lambda m: m.pop('sigmas'), 'error', 'lacks sigmas'),
        (
            lambda m: m['keypoint_info'][1].update(swap='right_eyee'),
            'error',
            "names 'right_eyee' in a swap or in a link of the skeleton, "
            'which is none of its keypoints; did you mean right_eye',
        ),
        (
            lambda m: m['skeleton_info'][0].update(link=('nose', 'tail')),
            'error',
            "names 'tail'",
        ),
        (
            lambda m: m['keypoint_info'][1].update(swap='right_ear'),
            'error',
            '"left_eye" has the swap "right_ear", whose own swap is '
            '"left_ear"',
        ),
        (
            lambda m: m['keypoint_info'][2].update(swap=''),
            'error',
            '"left_eye" has the swap "right_eye", whose own swap is none',
        ),
        (
            lambda m: [m['keypoint_info'][i].update(swap='') for i in (1, 2)],
            'warning',
            'a flip takes "left_eye" to "left_eye", "right_eye" to "right',
        ),
        (
            lambda m: m['keypoint_info'][1].update(name='nose'),
            'error',
            '',
        ),
        (
            lambda m: m['keypoint_info'].update(
                {17: m['keypoint_info'].pop(0)}
            ),
            'error',
            'is not numbered 0, 1, 2 ...: number 0 is 1',
        ),
        (
            lambda m: m['joint_weights'].pop(),
            'warning',
            '16 joint_weights for 17 keypoints',
        ),
    ],
)
def test_metainfo(change, level, words):
    metainfo = info('coco')
    assert check(metainfo=metainfo) == []
    change(metainfo)
    (finding,) = check(metainfo=metainfo)
    assert finding.level == level
    assert words in str(finding)
    assert 'train_dataloader.dataset.metainfo' in str(finding)


def test_files_of_metainfo(tmp_path):
    (finding,) = check(metainfo=dict(from_file='no/such.py'))
    assert 'no/such.py" does not exist' in str(finding)
    own = tmp_path / 'own.py'
    own.write_text('x = 1\n')
    (finding,) = check(metainfo=dict(from_file=str(own)))
    assert 'has no dataset_info' in str(finding)
    for file in META.glob('*.py'):
        assert check(metainfo=dict(from_file=str(file))) == []


def test_metainfo_of_what_combines_data_sets():
    bad = info('coco')
    bad['keypoint_info'][2]['swap'] = ''
    inner = dict(type='CocoDataset', ann_file=ELSEWHERE)
    (finding,) = check(
        type='CombinedDataset', datasets=[inner, inner], metainfo=bad
    )
    assert 'train_dataloader.dataset.metainfo' in str(finding)


# Numbers


def head(**keys) -> dict:
    return dict(head=dict(type='HeatmapHead', out_channels=17) | keys)


@pytest.mark.parametrize(
    ('model', 'words'),
    [
        (head(), ''),
        (head(type='mmpose.HeatmapHead'), ''),
        (head(out_channels=5), 'model.head.out_channels is 5, and train_data'),
        (head(type='RTMCCHead', out_channels=21), 'out_channels is 21'),
        (head(type='RLEHead', num_joints=16), 'head.num_joints is 16'),
        (head(type='RTMOHead', num_keypoints=14), 'num_keypoints is 14'),
        # Offsets beside each map.
        (
            head(
                out_channels=51,
                decoder=dict(type='UDPHeatmap', heatmap_type='combined'),
            ),
            '',
        ),
        (
            head(
                out_channels=17,
                decoder=dict(type='UDPHeatmap', heatmap_type='combined'),
            ),
            'set model.head.out_channels to 51',
        ),
        # Coordinates, not keypoints; and a head of a project.
        (head(type='MotionRegressionHead', out_channels=3), ''),
        (head(type='OwnHead', out_channels=3), ''),
    ],
)
def test_numbers_of_heads(model, words):
    findings = check(model=model)
    assert len(findings) == bool(words)
    assert all(words in str(finding) for finding in findings)


def converter(number, *mapping, **keys) -> dict:
    mapping = [*mapping] or [(i, i) for i in range(number)]
    node = dict(type='KeypointConverter', num_keypoints=number)
    return node | dict(mapping=mapping) | keys


@pytest.mark.parametrize(
    ('pipeline', 'words'),
    [
        ([converter(16)], ''),
        ([converter(14)], 'model.head.out_channels is 16, and train_dataloa'),
        ([converter(16, (17, 0))], 'takes keypoint 17, and train_dataloader'),
        ([converter(16, ((3, 4), 2))], ''),
        ([converter(16, ((3, 40), 2))], 'takes keypoint 40'),
        ([converter(16, (3, 16))], 'puts one at 16, and its num_keypoints'),
        ([converter(20, (0, 19)), converter(16, (19, 0))], ''),
        ([converter(16, 3)], 'not a pair'),
    ],
)
def test_converters(pipeline, words):
    inner = dict(type='CocoDataset', ann_file=ELSEWHERE, pipeline=pipeline)
    findings = check(
        model=head(out_channels=16),
        type='CombinedDataset',
        datasets=[inner],
        metainfo=dict(from_file='configs/_base_/datasets/mpii.py'),
    )
    assert len(findings) == bool(words)
    assert all(words in str(finding) for finding in findings)


def test_numbers_of_a_test():
    more = head(out_channels=19)
    (finding,) = check('val', model=more)
    assert 'val_dataloader.dataset has 17 keypoints' in str(finding)
    kept = more | dict(test_cfg=dict(output_keypoint_indices=range(17)))
    assert check('val', model=kept) == []
    assert len(check('train', model=kept)) == 1
    kept['test_cfg'] = dict(output_keypoint_indices=[*range(16), 19])
    (finding,) = check('val', model=kept)
    assert 'keeps keypoint 19' in str(finding)
    converts = dict(
        type='CocoMetric',
        pred_converter=dict(num_keypoints=17, mapping=[(0, 0)]),
    )
    assert check('val', converts, more) == []


CODEC = dict(
    type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2
)


@pytest.mark.parametrize(
    ('size', 'change', 'words'),
    [
        ((192, 256), {}, ''),
        ([192, 256], dict(sigma=3), ''),
        (
            (256, 192),
            {},
            'train_dataloader.dataset.pipeline.0.input_size is (256, 192), '
            'and that of model.head.decoder (192, 256)',
        ),
        ((192, 256), dict(heatmap_size=(96, 128)), 'has heatmap_size (96, 1'),
        ((192, 256), dict(type='UDPHeatmap'), 'has type UDPHeatmap, and mod'),
    ],
)
def test_codecs(size, change, words):
    pipeline = [
        dict(type='TopdownAffine', input_size=size),
        dict(type='GenerateTarget', encoder=CODEC | change),
    ]
    findings = check(model=head(decoder=CODEC), pipeline=pipeline)
    assert len(findings) == bool(words)
    assert all(words in str(finding) for finding in findings)


def test_configs_are_right(monkeypatch):
    """All of this project, and of mmpose, whose files are not there."""
    monkeypatch.setattr('mmuniformer.checks.keypoints._check_file', _nothing)
    monkeypatch.setattr('mmuniformer.checks.keypoints.check_mpii', _nothing)
    looked_at = 0
    for folder in (ROOT / 'configs' / 'pose', HOST):
        for file in sorted(folder.rglob('*.py')):
            # It lacks a file of its own.
            if '_base_' in file.parts or file.name.startswith('edpose'):
                continue
            cfg = Config.fromfile(file)
            findings = [
                str(f)
                for f in check_keypoints(cfg, ('train', 'val', 'test'))
                if 'does not exist' not in str(f)
            ]
            # Its evaluation ends in a KeyError.
            if '300wlp' in file.name:
                assert all('data set "300wlp"' in f for f in findings)
                continue
            assert findings == [], file
            looked_at += 1
    assert looked_at > 400


def _nothing(*args):
    return ()


# Metrics


@pytest.fixture
def coco(tmp_path):
    """A file to damage, and what the metric finds then."""

    def look(change=None, metric=None, whole=None, name='CocoDataset', **keys):
        whole = whole or content(name, 17, names('coco'))
        if change:
            change(whole)
        path = write(tmp_path / 'val.json', whole)
        metric = dict(type='CocoMetric') | (metric or {})
        return check('val', metric, ann_file=path, type=name, **keys)

    return look


def without(key):
    return lambda whole: whole['annotations'][1].pop(key)


def test_keys_that_the_metric_reads(coco):
    assert coco() == []
    (finding,) = coco(without('area'))
    assert str(finding).endswith(
        'val.json: 1 annotations lack area (annotation 2), which '
        'val_evaluator reads: the run would end at the first evaluation; add '
        'it to each, or set val_evaluator.use_area=False'
    )
    assert coco(without('area'), dict(use_area=False)) == []
    assert coco(without('area'), dict(type='PCKAccuracy')) == []
    (finding,) = coco(
        without('num_keypoints'), dict(iou_type='keypoints_crowd')
    )
    assert 'lack num_keypoints' in str(finding)
    assert coco(without('iscrowd')) == []


def test_keys_of_the_whole_body(coco):
    name = 'CocoWholeBodyDataset'
    metric = dict(type='CocoWholeBodyMetric')
    assert coco(metric=metric, name=name) == []
    found = coco(without('face_kpts'), metric, name=name)
    assert any('which val_evaluator reads' in str(f) for f in found)


def test_files_of_metrics(coco, tmp_path):
    empty = content('CocoDataset', 17) | dict(annotations=[])
    empty = write(tmp_path / 'empty.json', empty)
    (finding,) = coco(metric=dict(ann_file=empty))
    assert 'has no annotations, and val_evaluator compares' in str(finding)
    metric = dict(ann_file=empty, format_only=True, outfile_prefix='o')
    assert coco(metric=metric) == []


def test_sigmas():
    metainfo = info('coco')
    metainfo['sigmas'].pop()
    assert check('val', dict(type='AUC'), metainfo=metainfo) == []
    (finding,) = check('val', dict(type='CocoMetric'), metainfo=metainfo)
    assert 'has 16 sigmas for 17 keypoints' in str(finding)
    metainfo['sigmas'].append(0)
    (finding,) = check('val', dict(type='CocoMetric'), metainfo=metainfo)
    assert 'sigmas[16] is 0.0' in str(finding)


def test_distances():
    nme = dict(type='NME', norm_mode='keypoint_distance')
    (finding,) = check('val', nme)
    assert 'knows none for the data set "coco"' in str(finding)
    assert check('val', nme | dict(keypoint_indices=[1, 2])) == []
    (finding,) = check('val', nme | dict(keypoint_indices=[1, 17]))
    assert 'not two of 17 keypoints' in str(finding)
    assert check('val', nme, type='WFLWDataset') == []


def test_metrics_of_several_data_sets(tmp_path):
    whole = content('CocoDataset', 17, names('coco'))
    first = dict(type='CocoDataset', test_mode=True)
    first['ann_file'] = write(tmp_path / 'a.json', whole)
    for entry in whole['annotations']:
        del entry['area']
    second = dict(first, ann_file=write(tmp_path / 'b.json', whole))
    evaluator = dict(
        type='MultiDatasetEvaluator',
        metrics=[dict(type='CocoMetric'), dict(type='PCKAccuracy')],
        datasets=[first, second],
    )
    combined = dict(
        type='CombinedDataset',
        datasets=[first, second],
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
    )
    assert check('val', evaluator, **combined) == []
    evaluator['metrics'].reverse()
    (finding,) = check('val', evaluator, **combined)
    assert 'b.json: 2 annotations lack area' in str(finding)
    assert 'val_evaluator.metrics.1' in str(finding)


# Detected boxes


def box(**values) -> dict:
    return (
        dict(bbox=[9, 9, 50, 60], category_id=1, image_id=1, score=0.9)
        | values
    )


def without_key(key) -> dict:
    return {k: v for k, v in box().items() if k != key}


@pytest.mark.parametrize(
    ('boxes', 'words'),
    [
        ([box(), box(category_id=3, image_id=9)], ''),
        ([box(bbox=[9, 9, 50, 60, 0.9])], ''),
        ([], 'has no box of category_id 1'),
        ([box(category_id=2)], 'has no box of category_id 1, but of 2'),
        (dict(boxes=[]), 'is not a list of detected boxes'),
        ([[1, 2]], 'is not a list of detected boxes'),
        ([box(image_id='1')], "another type than the images of"),
        ([box(image_id=2)], 'image_id of no image of'),
        ([box(bbox=[1, 2, 3])], 'no four finite numbers in bbox'),
        ([box(bbox=[1, 2, 3, float('nan')])], 'no four finite numbers'),
        ([without_key('score')], '1 boxes lack score (entry 0)'),
        ([without_key('category_id'), box()], 'lack category_id'),
        ([without_key('image_id')], 'lack image_id'),
    ],
)  # fmt: skip
@pytest.mark.parametrize('name', ['CocoDataset', 'CocoWholeBodyDataset'])
def test_detected_boxes(name, boxes, words, coco, tmp_path):
    file = write(tmp_path / 'boxes.json', boxes)
    metric = name.replace('Dataset', 'Metric')
    findings = coco(metric=dict(type=metric), name=name, bbox_file=file)
    assert len(findings) == bool(words)
    assert all(words in str(f) and f.level == 'error' for f in findings)


def test_files_of_boxes(coco, tmp_path):
    (finding,) = coco(bbox_file='boxes.json', data_root=str(tmp_path))
    assert str(finding) == (
        'boxes.json (val_dataloader.dataset.bbox_file) does not exist'
    )
    write(tmp_path / 'boxes.json', [box()])
    (finding,) = coco(bbox_file='boxes.json', data_root=str(tmp_path))
    assert str(finding).endswith(f'write {tmp_path / "boxes.json"}')
    (tmp_path / 'cut.json').write_text('[{"bbox"')
    (finding,) = coco(bbox_file=str(tmp_path / 'cut.json'))
    assert 'ends in the middle of its JSON' in str(finding)
    assert 'copy or write it again' in str(finding)
    (finding,) = coco(bbox_file='b', test_mode=False)
    assert 'bbox_file is for tests alone' in str(finding)


def test_a_list_of_images_is_enough_for_boxes(coco, tmp_path):
    """As the test images of COCO are published."""
    file = write(tmp_path / 'boxes.json', [box()])
    whole = content('CocoDataset', 17, names('coco'))
    del whole['annotations']
    metric = dict(format_only=True, outfile_prefix='results')
    assert coco(metric=metric, whole=whole, bbox_file=file) == []


# MPII


def mpii(tmp_path, phase='val', people=None, **keys):
    people = people or [
        dict(
            image='015601864.jpg',
            center=[594.0, 257.0],
            scale=3.02,
            joints=[[620.0, 394.0]] * 16,
            joints_vis=[1] * 16,
        )
        for _ in range(2)
    ]
    path = tmp_path / 'mpii.json'
    path.write_text(json.dumps(people))
    metric = dict(type='MpiiPCKAccuracy')
    return check(phase, metric, type='MpiiDataset', ann_file=str(path), **keys)


@pytest.fixture
def headboxes(tmp_path):
    savemat = pytest.importorskip('scipy.io').savemat

    def save(people=2, key='headboxes_src'):
        path = tmp_path / 'mpii_gt_val.mat'
        savemat(path, {key: np.ones((2, 2, people))})
        return str(path)

    return save


def test_mpii(tmp_path, headboxes):
    assert mpii(tmp_path, headbox_file=headboxes()) == []
    assert mpii(tmp_path, 'train') == []
    (finding,) = mpii(tmp_path)
    assert 'val_dataloader.dataset has no headbox_file' in str(finding)
    (finding,) = mpii(tmp_path, headbox_file=headboxes(3))
    assert 'is of shape (2, 2, 3), and' in str(finding)
    (finding,) = mpii(tmp_path, headbox_file=headboxes(key='other'))
    assert 'has no headboxes_src' in str(finding)
    (finding,) = mpii(tmp_path, headbox_file='no.mat')
    assert 'no.mat (val_dataloader.dataset.headbox_file)' in str(finding)


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        (dict(joints=[[1, 2]] * 15), 'have 15x2 numbers in joints, not 16x2'),
        (dict(joints_vis=[1] * 15), 'have 15 numbers in joints_vis, not 16'),
        (dict(joints=[[1, float('nan')]] * 16), 'NaN or infinite'),
        (dict(image='a.jpg'), 'image whose name is no number'),
        (dict(center=None), 'have one numbers in center'),
        (dict(scale='big'), 'something else than numbers in scale'),
        (dict(), 'lack center, scale, joints, joints_vis'),
    ],
)
def test_people_of_mpii(values, words, tmp_path):
    person = dict(image='1.jpg')
    if values:
        person |= dict(
            center=[5, 5], scale=1, joints=[[1, 2]] * 16, joints_vis=[1] * 16
        )
    (finding,) = mpii(tmp_path, 'train', people=[person | values])
    assert words in str(finding)


def test_mpii_in_another_form(tmp_path):
    whole = content('CocoDataset', 16)
    (finding,) = mpii(tmp_path, 'train', people=whole)
    assert 'is not a list of people, as MPII has it' in str(finding)


def test_real_images():
    """The sample of COCO, when it is there."""
    folder = os.environ.get('MMUNIFORMER_TEST_DATA')
    if not folder:
        pytest.skip('MMUNIFORMER_TEST_DATA is not set')
    mini = Path(folder, 'coco-mini')
    keys = dict(ann_file=str(mini / 'person_keypoints.json'))
    assert check(**keys) == []
    boxes = str(mini / 'person_detections.json')
    metric = dict(type='CocoMetric')
    assert check('val', metric, bbox_file=boxes, **keys) == []
    assert person('CocoDataset', 17)['keypoints'] == points(17)
