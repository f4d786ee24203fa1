"""What is wrong with a list of videos is found, with its file and line."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from damaged_videos import DAMAGES, write_damaged
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.videos import summary
from mmuniformer.datasets.shapes import generate_videos
from mmuniformer.errors import UserError

pytest.importorskip('mmaction')

NAMES = ('left', 'right', 'up', 'down', 'grow')


@pytest.fixture(autouse=True)
def scope(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    init_default_scope('mmaction')


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with videos that are there, and are empty."""
    for name in ('a.mp4', 'a b.mp4', 'b/c.mp4', 'b.mp4', 'ü.mp4'):
        video = tmp_path / 'data' / 'videos' / name
        video.parent.mkdir(parents=True, exist_ok=True)
        video.touch()
    return tmp_path / 'data'


def frames(folder: Path, numbers: range, form: str = 'img_{:05}.jpg') -> None:
    """Writes a folder of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    _, content = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))
    for number in numbers:
        (folder / form.format(number)).write_bytes(content.tobytes())


def config(
    root: Path, text: str | bytes, phase: str = 'train', **dataset
) -> Config:
    """A config of mmaction2 with a list of this text."""
    content = text if isinstance(text, bytes) else text.encode()
    (root / 'list.txt').write_bytes(content)
    prefix = dict(RawframeDataset='img', AudioDataset='audio').get(
        dataset.get('type', '').rpartition('.')[2], 'video'
    )
    settings = dict(
        type='VideoDataset',
        data_root=str(root),
        ann_file='list.txt',
        data_prefix={prefix: 'videos'},
    )
    repeat = dict(type='RepeatDataset', dataset=settings | dataset)
    return Config({
        'default_scope': 'mmaction',
        'model': dict(cls_head=dict(num_classes=5)),
        f'{phase}_dataloader': dict(dataset=repeat),
    })  # fmt: skip


def look(cfg: Config, *phases: str, decode: bool = False) -> list[Finding]:
    return list(check_inputs(cfg, phases or ('train',), decode))


def check(cfg: Config, *phases: str) -> None:
    stop_on_errors(look(cfg, *phases))


@pytest.mark.parametrize(('text', 'dataset'), [
    ('a.mp4 0\nb/c.mp4 4\n', {}),
    ('a.mp4 0\r\nb/c.mp4 4 \r\n', {}),
    ('ü.mp4 +0\nb/c.mp4 4', {}),
    ('a b.mp4,3\n', dict(delimiter=',')),
    ('a b.mp4\t3\n', dict(delimiter='\t')),
    ('a.mp4   3\n', dict(delimiter=None)),
    ('a.mp4 0 4\nb.mp4\n', dict(multi_class=True, num_classes=5)),
    ('f 3 4\ng 2 0\n', dict(type='RawframeDataset')),
    ('f  3\t4\n', dict(type='mmaction.RawframeDataset')),
    ('f 3 4 0\n', dict(
        type='RawframeDataset', multi_class=True, num_classes=5)),
    ('f 1 2 4\nf 0 3 1\n', dict(type='RawframeDataset', with_offset=True)),
    ('z 3 1\n', dict(
        type='RawframeDataset', start_index=0, filename_tmpl='{:06d}.png')),
    ('s 2 1\n', dict(
        type='RawframeDataset', modality='Flow',
        filename_tmpl='flow_{}_{:05d}.jpg')),
    ('a.mp4 12 4\n', dict(type='AudioDataset')),
    ('a.mp4 0\n', dict(data_prefix=dict(video='s3://b/'))),
])  # fmt: skip
def test_what_the_library_reads_passes(root, text, dataset):
    videos = root / 'videos'
    frames(videos / 'f', range(1, 4))
    frames(videos / 'g', range(1, 3))
    frames(videos / 'z', range(3), '{:06d}.png')
    for axis in 'xy':
        frames(videos / 's', range(1, 3), f'flow_{axis}_{{:05d}}.jpg')
    cfg = config(root, text, **dataset)
    assert look(cfg, 'train', 'val') == []
    node = dict(cfg.train_dataloader.dataset.dataset, pipeline=[])
    built = DATASETS.build(node)
    assert len(built) == len(text.splitlines())
    infos = [built.get_data_info(i) for i in range(len(built))]
    files = {str(info.get('filename')) for info in infos}
    if node['type'] == 'VideoDataset' and '://' not in str(node):
        (data_set,) = data_sets(cfg, ['train'])
        assert files == set(map(str, summary(data_set).files))


@pytest.mark.parametrize(('text', 'dataset', 'message'), [
    (
        'a.mp4 0\nb.mp4 5\n',
        {},
        r"list\.txt, line 2: 'b\.mp4 5' has the label 5: .*labels are 0 to 4",
    ),
    (
        ''.join(f'{n}.mp4 {n}\n' for n in range(1, 6)),
        {},
        "line 5: '5.mp4 5' has the label 5.*labels count from 1",
    ),
    (
        'a.mp4 0 7\n',
        dict(multi_class=True, num_classes=5),
        'line 1: .* has the label 7',
    ),
    ('a.mp4 0 1\n', dict(multi_class=True), 'and no num_classes'),
    (
        'a.mp4 0 1\n',
        dict(multi_class=True, num_classes=7),
        r'num_classes is 7 .*, and model\.cls_head\.num_classes is 5',
    ),
    ('a 12 5\n', dict(type='RawframeDataset'), 'has the label 5'),
    ('a.mp4 0\n\n\n', {}, r"line 2: '' is an empty line.*1 more such line: 3"),
    ('a.mp4\nb.mp4 1\n', {}, r"line 1: 'a\.mp4' has no label"),
    ('a.mp4\nb.mp4\n', {}, r"'a\.mp4' has no label, nor has any of the 2"),
    ('a 12\n', dict(type='RawframeDataset'), 'has no label'),
    ('a 12\n', dict(type='RawframeDataset', multi_class=True, num_classes=5),
     'has no label'),
    ('a b.mp4 0\n', {}, "not of the form 'path label'; a path with spaces"),
    ('a.mp4 0 1\n', {}, "not of the form 'path label'"),
    ('a.mp4  0\n', {}, "the form 'path label'; separate .* by one space"),
    ('a.mp4 run\n', {}, "has the name 'run' where the number of a class"),
    ('a.mp4 up\n', dict(metainfo=dict(classes=NAMES)),
     r"write the numbers, by metainfo\.classes: 2 for 'up'"),
    ('a.mp4 1.0\n', {}, 'a label is a whole number'),
    ('a.mp4 0\nb.mp4 -1\n', {}, 'has the label -1, which is none'),
    ('a.mp4 0\nb.mp4 -2\n', {}, 'has the label -2: labels count from 0'),
    ('a.mp4 0\n', dict(delimiter=','), r"set .*\.delimiter=' '$"),
    ('a.mp4,0\n', {}, r"set train_dataloader.*dataset\.delimiter=','$"),
    ('a.mp4\t0\n', {}, r"set train_dataloader.*dataset\.delimiter='\\t'$"),
    ('path label\na.mp4 0\n', {}, "line 1: 'path label' is a header"),
    ('path,label\na.mp4,0\n', dict(delimiter=','), 'is a header'),
    ('video_path,label\na.mp4 0\n', {}, 'is a header'),
    ('label,youtube_id,time_start,time_end,split\nrun,x,4,14,validate\n',
     {}, 'the table that Kinetics comes with, and no list of files'),
    ('video n_frames class\na 3 0\n', dict(type='RawframeDataset'),
     'is a header'),
    ('a,3,0\n', dict(type='RawframeDataset'), 'by spaces, not commas'),
    ('a 0 1\n', dict(type='RawframeDataset'), 'has 0 frames'),
    (
        'a\n',
        dict(type='RawframeDataset'),
        "not of the form 'folder number-of-frames label'$",
    ),
    (
        'a 12\n',
        dict(type='RawframeDataset', with_offset=True),
        "not of the form 'folder first-frame number-of-frames label'$",
    ),
    ('', {}, r'list\.txt is empty \(set by train_.*dataset\.ann_file\)'),
    ('\ufeffa.mp4 0\n', {}, 'line 1: .* byte-order mark'),
    ('a.mp4 0\n'.encode('utf-16'), {}, r'list\.txt is UTF-16'),
    ('a.mp4 0\n'.encode('utf-16-le'), {}, 'has zero bytes: it may be UTF-16'),
    ('a.mp4 0\nü.mp4 0\n'.encode('latin-1'), {},
     'line 2: byte 0xfc is not UTF-8'),
    ('a.mp4 0\nno.mp4 0\nneither.mp4 1\n', {},
     r"line 2: 'no\.mp4 0' has no file: .*videos/no\.mp4 does not exist, nor "
     r'does 1 more of the 3 of the list: .*neither\.mp4'),
])  # fmt: skip
def test_what_it_does_not_is_refused(root, text, dataset, message):
    with pytest.raises(UserError, match=message):
        check(config(root, text, **dataset), 'train')


def test_many_lines_are_one_finding(root):
    text = 'a.mp4 0\n' + ''.join(f'b.mp4 {n}\n' for n in range(5, 15))
    findings = [f for f in look(config(root, text)) if f.level == 'error']
    (finding,) = findings
    assert finding.entry == 'line 2'
    assert '9 more such lines: 3, 4, 5, 6, ...' in finding.what


def test_names_are_looked_up_in_the_file_beside(root):
    (root / 'classInd.txt').write_text('1 run\n2 sit down\n')
    cfg = config(root, 'a.mp4,sit down\nb.mp4,run\n', delimiter=',')
    (finding,) = [f for f in look(cfg) if f.level == 'error']
    assert finding.mend.endswith("classInd.txt: 1 for 'sit down'")


def test_labels_that_the_file_beside_has_no_name_for(root):
    (root / 'label_map.txt').write_text('left\nright\n')
    text = 'a.mp4 0\nb.mp4 3\n'
    (finding,) = look(config(root, text))
    assert finding.level == 'warning'
    assert 'has the labels 3, and' in finding.what
    assert 'label_map.txt beside it names 2 classes' in finding.what
    (root / 'label_map.txt').write_text('\n'.join(NAMES))
    assert look(config(root, text)) == []


def test_labels_from_1_with_a_class_more(root):
    text = ''.join(f'{n}.mp4 {n}\n' for n in range(1, 5))
    found = look(config(root, text))
    assert any('seem to count from 1' in f.what for f in found)


def test_the_same_video_with_two_labels(root):
    found = look(config(root, 'a.mp4 0\nb.mp4 1\na.mp4 2\nb.mp4 1\n'))
    assert [(f.level, f.entry) for f in found] == [
        ('warning', 'line 3'),
        ('note', 'line 4'),
    ]
    assert "than the same in line 1: 'a.mp4 0'" in found[0].what


@pytest.mark.parametrize(('key', 'value', 'message'), [
    ('ann_file', 'no.txt', r'no\.txt does not exist.*data_root.*\.ann_file'),
    ('data_prefix', dict(video='no'), r'no does not exist.*prefix\.video'),
    ('data_prefix', dict(img='videos'), "data_prefix has no 'video'"),
    ('data_root', 'no/where', r'no/where/list\.txt does not exist'),
])  # fmt: skip
def test_missing_places_name_their_keys(root, key, value, message):
    cfg = config(root, 'a.mp4 0\n', **{key: value})
    with pytest.raises(UserError, match=message):
        check(cfg, 'train')


def test_absolute_paths_need_no_folder(root):
    video = root / 'videos' / 'a.mp4'
    cfg = config(root, f'{video} 0\n', data_prefix=dict(video='no'))
    assert look(cfg) == []


def test_a_file_that_comes_and_goes(root):
    cfg = config(root, 'a.mp4 0\nlate/d.mp4 0\n')
    assert 'late/d.mp4 does not exist' in look(cfg)[0].what
    (root / 'videos' / 'late').mkdir()
    assert 'late/d.mp4 does not exist' in look(cfg)[0].what
    (root / 'videos' / 'late' / 'd.mp4').touch()
    assert look(cfg) == []
    (root / 'videos' / 'late' / 'd.mp4').unlink()
    assert 'late/d.mp4 does not exist' in look(cfg)[0].what


def test_a_missing_video_that_is_skipped_is_a_warning(root):
    cfg = config(root, 'a.mp4 0\nno.mp4 1\n', unreadable='skip')
    (finding,) = look(cfg)
    assert finding.level == 'warning'


def test_decord_adds_the_suffix(root):
    decord = [dict(type='DecordInit')]
    assert look(config(root, 'a 0\n', pipeline=decord)) == []
    opencv = [dict(type='OpenCVInit')]
    found = look(config(root, 'a 0\n', pipeline=opencv))
    assert 'videos/a does not exist' in found[0].what


def test_only_what_a_run_reads_is_checked(root):
    cfg = config(root, 'a.mp4 9\n', phase='test')
    check(cfg, 'train', 'val')
    with pytest.raises(UserError, match='has the label 9'):
        check(cfg, 'test')


def test_every_member_of_a_wrapper_is_looked_at(root):
    cfg = config(root, 'a.mp4 0\n')
    video = cfg.train_dataloader.dataset.dataset
    frames(root / 'videos' / 'f', range(1, 4))
    (root / 'frames.txt').write_text('f 3 1\nf 9 1\n')
    folders = dict(
        video,
        type='RawframeDataset',
        ann_file='frames.txt',
        data_prefix=dict(img='videos'),
    )
    cfg.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[video, folders]
    )
    (finding,) = look(cfg)
    assert finding.file.endswith('frames.txt')
    assert "'f 9 1' has no img_00004.jpg: there are 3 frames" in finding.what


@pytest.mark.parametrize(('phase', 'way'), [
    ('test', r'--out FILE\.pkl --cfg-options "test_evaluator=\[\]"'),
    ('val', '--no-validate'),
])  # fmt: skip
@pytest.mark.parametrize('text', ['a.mp4\nb.mp4\n', 'a.mp4 -1\nb.mp4 -1\n'])
def test_a_list_without_labels_is_not_scored(root, text, phase, way):
    cfg = config(root, text, phase=phase)
    cfg[f'{phase}_evaluator'] = dict(type='AccMetric')
    with pytest.raises(
        UserError, match=f'has no label, nor .* AccMetric would score .*{way}'
    ):
        check(cfg, phase)
    for evaluator in ([], [dict(type='DumpResults', out_file_path='p.pkl')]):
        cfg[f'{phase}_evaluator'] = evaluator
        assert look(cfg, phase) == []


def test_some_lines_without_labels_are_named(root):
    cfg = config(root, 'a.mp4 0\nb.mp4\n', phase='test')
    cfg.test_evaluator = dict(type='AccMetric')
    with pytest.raises(UserError, match=r"line 2: 'b\.mp4' has no label$"):
        check(cfg, 'test')


@pytest.mark.parametrize(('text', 'settings', 'level', 'message'), [
    ('g 3 0\n', {}, 'error', "'g 3 0' has no folder: .*videos/g does not"),
    ('f 5 0\n', {}, 'error', 'has no img_00004.jpg: there are 3 frames, 1 to'),
    ('f 2 0\n', {}, 'note', 'has 3 frames, 1 are not read'),
    ('f 3 0\n', dict(start_index=0), 'error', 'count from 1'),
    ('f 3 0\n', dict(filename_tmpl='{:06}.jpg'), 'error',
     'no frame of the form 000001.jpg in .*f, which has img_00001.jpg'),
    ('f 2 2 0\n', dict(with_offset=True), 'error', 'has no img_00004.jpg'),
])  # fmt: skip
def test_frames_are_counted(root, text, settings, level, message):
    frames(root / 'videos' / 'f', range(1, 4))
    cfg = config(root, text, type='RawframeDataset', **settings)
    (finding,) = look(cfg)
    assert finding.level == level
    with pytest.raises(UserError, match=message):
        raise UserError(str(finding))


def test_a_frame_that_cannot_be_decoded(root):
    frames(root / 'videos' / 'f', range(1, 4))
    (root / 'videos' / 'f' / 'img_00002.jpg').write_bytes(b'')
    cfg = config(root, 'f 3 0\n', type='RawframeDataset')
    assert look(cfg) == []
    (finding,) = look(cfg, decode=True)
    assert 'img_00002.jpg is empty' in finding.what


@pytest.mark.parametrize('reader', ['OpenCV', 'Decord'])
def test_videos_are_decoded_when_asked(tmp_path, reader):
    if reader == 'Decord':
        pytest.importorskip('decord')
    generate_videos(tmp_path / 'shapes', train=6, val=2)
    videos = tmp_path / 'shapes' / 'videos_train'
    text = (tmp_path / 'shapes/shapes_train_list_videos.txt').read_text()
    settings = dict(
        data_root=str(tmp_path / 'shapes'),
        data_prefix=dict(video='videos_train'),
        pipeline=[
            dict(type=f'{reader}Init'),
            dict(type='SampleFrames', clip_len=1),
            dict(type=f'{reader}Decode'),
        ],
    )
    cfg = config(tmp_path / 'shapes', text, **settings)
    cfg.model.cls_head.num_classes = 6
    assert look(cfg, decode=True) == []
    damages = [name for name in DAMAGES if name != 'missing']
    for damage in damages:
        write_damaged(videos / f'{damage}.mp4', damage)
        text += f'{damage}.mp4;0\n'
    text = text.replace('.mp4 ', '.mp4;')
    cfg = config(tmp_path / 'shapes', text, delimiter=';', **settings)
    cfg.model.cls_head.num_classes = 6
    (finding,) = look(cfg, decode=True)
    assert f'{damages[0]}.mp4: it is empty' in finding.what
    for damage in damages:
        assert f'{damage}.mp4' in finding.what
    shutil.copy(videos / '000001.mp4', videos / f'{damages[0]}.mp4')
    (finding,) = look(cfg, decode=True)
    assert f'{damages[0]}.mp4' not in finding.what
    assert f'{len(damages) - 2} more of {6 + len(damages)}' in finding.what


AVA = 'v,0902,0.1,0.2,0.5,0.9,12,1\nv,0902,0.1,0.2,0.5,0.9,17,1\n'


@pytest.mark.parametrize(('text', 'message'), [
    (AVA, ''),
    (AVA + 'video_id,time,x1,y1,x2,y2,label,person\n', 'line 3.*the form'),
    ('video_id,time,x1,y1,x2,y2,label,person\n' + AVA, 'is a header'),
    (AVA + 'v,0903,,,,,,\n', 'line 3: .* is not of the form'),
    (AVA + 'v,903,10,20,50,90,3,1\n', 'has a box in pixels'),
    (AVA + 'v,903,0.1,0.2,nan,0.9,3,1\n', 'has a box that is not of numbers'),
    (AVA + 'v,903,0.5,0.2,0.1,0.9,3,1\n', 'has an empty box'),
    (AVA + 'v,903,0.1,0.2,0.4,0.9,81,1\n', 'has the label 81: .* 0 to 80'),
    (AVA.replace(',', '\t'), 'is not of the form'),
])  # fmt: skip
def test_boxes_of_people(root, text, message):
    cfg = config(root, text, type='AVADataset', data_prefix=dict(img='videos'))
    found = look(cfg)
    if not message:
        assert found == []
        return
    with pytest.raises(UserError, match=message):
        raise UserError(str(found[0]))


def test_summary(root):
    cfg = config(root, 'a.mp4 0\nb.mp4 3\nb/c.mp4 3\n')
    cfg.train_dataloader.dataset.dataset.metainfo = dict(classes=NAMES)
    (data_set,) = data_sets(cfg, ['train'])
    found = summary(data_set)
    assert found.samples == 3
    assert list(found.classes.items()) == list(
        zip(NAMES, (1, 0, 0, 2, 0), strict=True)
    )
    assert found.files[-1] == root / 'videos' / 'b/c.mp4'


def test_classes_of_the_blending_are_those_of_the_head(root):
    cfg = config(root, 'a.mp4 0\n')
    blend = dict(augments=[dict(num_classes=5), dict(num_classes=400)])
    cfg.model.data_preprocessor = dict(blending=blend)
    with pytest.raises(
        UserError,
        match=r'cls_head\.num_classes is 5, and .*'
        r'blending\.augments\.1\.num_classes is 400',
    ):
        check(cfg, 'train')


def test_a_list_shorter_than_a_batch(root):
    cfg = config(root, 'a.mp4 0\nb.mp4 1\n')
    loader = cfg.train_dataloader
    loader.dataset = loader.dataset.dataset
    loader.update(batch_size=3, drop_last=True)
    with pytest.raises(
        UserError,
        match=r'train_dataloader\.batch_size is 3, and the list has 2 videos',
    ):
        check(cfg, 'train')
    loader.drop_last = False
    check(cfg, 'train')
