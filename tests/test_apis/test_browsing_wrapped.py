"""browse_dataset.py and data sets that join, repeat, balance or mix others."""

import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmuniformer.apis import browse
from mmuniformer.datasets.shapes import generate
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError
from mmuniformer.visualization.samples import frames_of
from mmuniformer.visualization.steps import (
    StepRecorder,
    first_of_each,
    members,
    shown_steps,
)

SIZE = 96
TRAIN, VAL = 4, 2
COCO = """
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
train = dict(
    type='CocoDataset',
    data_root={root!r},
    ann_file='annotations/instances_train.json',
    metainfo=dict(classes={classes!r}),
    data_prefix=dict(img='images/train/'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
    ],
)
val = dict(
    train,
    ann_file='annotations/instances_val.json',
    data_prefix=dict(img='images/val/'),
)
pack = dict(type='PackDetInputs')
whole_train = dict(train, pipeline=[*train['pipeline'], pack])
whole_val = dict(val, pipeline=[*val['pipeline'], pack])
"""
# What is around 4 samples of one data set and 2 of another.
WRAPPED = {
    'mmdet': (
        COCO,
        """
mix = [
    dict(type='Mosaic', img_scale=(64, 64)),
    dict(type='RandomAffine', border=(-32, -32)),
    dict(type='MixUp', img_scale=(64, 64)),
    dict(type='RandomFlip', prob=0.5),
    pack,
]
dataset = dict(
    type='MultiImageMixDataset',
    dataset=dict(type='ConcatDataset', datasets=[train, val]),
    pipeline=mix,
)
""",
    ),
    'mmseg': (
        """
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
train = dict(
    type='BaseSegDataset',
    data_root={root!r},
    metainfo=dict(
        classes=('background', *{classes!r}),
        palette=[[30 * i, 255 - 30 * i, 128] for i in range(7)],
    ),
    img_suffix='.jpg',
    data_prefix=dict(
        img_path='images/train', seg_map_path='segmentation/train'
    ),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
)
val = dict(
    train,
    data_prefix=dict(img_path='images/val', seg_map_path='segmentation/val'),
)
""",
        """
dataset = dict(
    type='MultiImageMixDataset',
    dataset=dict(type='ConcatDataset', datasets=[train, val]),
    pipeline=[
        dict(type='RandomMosaic', prob=1.0, img_scale=(64, 64)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ],
)
model = dict(decode_head=dict(num_classes=7))
""",
    ),
    'mmpose': (
        """
default_scope = 'mmpose'
visualizer = dict(type='PoseLocalVisualizer', backend='matplotlib')
train = dict(
    type='CocoDataset',
    data_root={root!r},
    ann_file='annotations/person_keypoints_train.json',
    data_prefix=dict(img='images/train/'),
    pipeline=[
        dict(
            type='KeypointConverter',
            num_keypoints=14,
            # Of its 14 keypoints these are the limbs.
            mapping=list(zip(range(5, 17), range(12))),
        )
    ],
)
val = dict(
    train,
    ann_file='annotations/person_keypoints_val.json',
    data_prefix=dict(img='images/val/'),
)
""",
        """
dataset = dict(
    type='CombinedDataset',
    metainfo=dict(from_file='configs/_base_/datasets/crowdpose.py'),
    datasets=[train, val],
    pipeline=[
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='RandomBBoxTransform'),
        dict(type='TopdownAffine', input_size=(48, 64)),
        dict(type='PackPoseInputs'),
    ],
)
""",
    ),
    'mmpretrain': (
        """
default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
train = dict(
    type='CustomDataset',
    data_root={root!r},
    data_prefix='images/train',
    with_label=False,
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='RandomResizedCrop', scale=48),
        dict(type='PackInputs'),
    ],
)
val = dict(train, data_prefix='images/val')
""",
        """
# All but the first fold of 7, which is empty.
dataset = dict(
    type='ConcatDataset',
    datasets=[
        dict(type='KFoldDataset', dataset=d, fold=0, num_splits=7)
        for d in (train, val)
    ],
)
""",
    ),
    'mmaction': (
        """
default_scope = 'mmaction'
visualizer = dict(type='ActionVisualizer')
train = dict(
    type='VideoDataset',
    ann_file={root!r} + '/train.txt',
    data_prefix=dict(video={root!r}),
    pipeline=[
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
        dict(type='DecordDecode'),
        dict(type='RandomResizedCrop'),
        dict(type='Resize', scale=(48, 48), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ],
)
val = dict(
    type='RepeatAugDataset',
    ann_file={root!r} + '/val.txt',
    data_prefix=dict(video={root!r}),
    pipeline=train['pipeline'],
    num_repeats=2,
)
""",
        "dataset = dict(type='ConcatDataset', datasets=[train, val])\n",
    ),
}


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('shapes') / 'data'
    generate(root, train=TRAIN, val=VAL, size=SIZE)
    for phase, number in (('train', TRAIN), ('val', VAL)):
        lines = []
        for image in sorted((root / 'images' / phase).iterdir())[:number]:
            name = f'{phase}_{image.stem}.mp4'
            fourcc = cv2.VideoWriter.fourcc(*'mp4v')
            video = cv2.VideoWriter(str(root / name), fourcc, 8, (SIZE, SIZE))
            for shift in range(8):
                video.write(np.roll(cv2.imread(str(image)), shift, axis=1))
            video.release()
            lines.append(f'{name} 3\n')
        (root / f'{phase}.txt').write_text(''.join(lines))
    return root


def write_config(path: Path, root: Path, *texts: str) -> str:
    content = json.loads(
        (root / 'annotations' / 'instances_train.json').read_text()
    )
    names = tuple(c['name'] for c in content['categories'])
    first, *more = texts
    path.write_text(
        first.format(root=str(root), classes=names)
        + ''.join(more)
        + 'train_dataloader = dict(num_workers=0, batch_size=1, '
        'sampler=dict(type="DefaultSampler"), dataset=dataset)\n'
    )
    return str(path)


@pytest.fixture(params=list(WRAPPED))
def host(request) -> str:
    pytest.importorskip(request.param)
    if request.param == 'mmaction':
        pytest.importorskip('decord')
    return request.param


@pytest.fixture
def config(host, shapes, tmp_path) -> str:
    return write_config(tmp_path / f'a_{host}.py', shapes, *WRAPPED[host])


def numbers_of(folder: Path) -> list[int]:
    # train_0003_NAME.png
    return sorted(int(f.stem.split('_')[1]) for f in folder.iterdir())


def images(shapes: Path) -> list[np.ndarray]:
    """Those of both members, in order."""
    return [
        cv2.imread(str(path)).astype(int)
        for phase in ('train', 'val')
        for path in sorted((shapes / 'images' / phase).iterdir())
    ]


def test_original_shows_the_files_of_every_member(
    host, config, shapes, tmp_path
):
    out = tmp_path / 'out'
    browse(config, mode='original', number=99, out_dir=str(out))
    if host == 'mmpose':
        # One for each person.
        return
    assert numbers_of(out) == list(range(TRAIN + VAL))
    pictures = [cv2.imread(str(path)) for path in sorted(out.iterdir())]
    assert len({picture.tobytes() for picture in pictures}) == TRAIN + VAL
    dataset = DATASETS.build(load_config(config).train_dataloader.dataset)
    recorder = StepRecorder(dataset, 'original')
    for index, file in enumerate(images(shapes)):
        ((_, notes),) = recorder.read(index)
        (step,) = shown_steps(notes, 'original')
        frame = frames_of(step.results)[0].astype(int)
        if host == 'mmaction':
            # Compressed, and in RGB.
            assert np.abs(frame[..., ::-1].mean() - file.mean()) < 5
        else:
            np.testing.assert_array_equal(frame, file)


def test_a_small_number_has_some_of_every_member(
    host, config, shapes, tmp_path
):
    cfg = load_config(config)
    parts = members(DATASETS.build(cfg.train_dataloader.dataset))
    assert len(parts) == 2
    out = tmp_path / 'out'
    browse(config, number=2, out_dir=str(out))
    assert numbers_of(out) == [0, parts[1].start]


def test_pipeline_shows_the_steps_of_all_pipelines(host, config, tmp_path):
    browse(config, mode='pipeline', number=1, out_dir=str(tmp_path / 'out'))
    (file,) = (tmp_path / 'out').iterdir()
    cfg = load_config(config)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    names = [
        step.name
        for _, notes in StepRecorder(dataset, 'pipeline').read(0)
        for step in shown_steps(notes, 'pipeline')
    ]
    expected = {
        'mmdet': ['LoadAnnotations', 'Mosaic', 'RandomAffine', 'MixUp'],
        'mmseg': ['LoadAnnotations', 'RandomMosaic'],
        'mmpose': ['LoadImage', 'TopdownAffine'],
        'mmpretrain': ['LoadImageFromFile', 'RandomResizedCrop'],
        'mmaction': ['DecordDecode', 'RandomResizedCrop', 'Resize'],
    }[host]
    places = [names.index(name) for name in expected]
    assert places == sorted(places)
    assert cv2.imread(str(file)).shape[1] > len(expected) * 48


def test_transformed_is_what_the_model_gets(host, config):
    cfg = load_config(config)

    def build():
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        dataset.full_init()
        return dataset

    dataset = build()
    recorder = StepRecorder(build(), 'transformed')
    for index in range(len(dataset)):
        random.seed(index)
        np.random.seed(index)
        plain = dataset[index]
        random.seed(index)
        np.random.seed(index)
        ((_, notes),) = recorder.read(index)
        plain = plain[0] if isinstance(plain, list) else plain
        (step,) = shown_steps(notes, 'transformed')
        shown = step.results.get('img')
        if shown is None:
            shown = step.results['imgs']
        else:
            shown = shown.transpose(2, 0, 1)
        np.testing.assert_array_equal(plain['inputs'].numpy(), shown)
        labels = plain['data_samples'].get('gt_instances', {}).get('labels')
        if host == 'mmdet':
            drawn = step.packed_by(notes.pack).gt_instances
            assert drawn.labels.tolist() == labels.tolist()
            assert len(labels)


def test_keypoints_of_the_whole(shapes, tmp_path):
    """Members with 17 keypoints, of which the whole makes 14."""
    pytest.importorskip('mmpose')
    config = write_config(tmp_path / 'a.py', shapes, *WRAPPED['mmpose'])
    dataset = DATASETS.build(load_config(config).train_dataloader.dataset)
    ((_, notes),) = StepRecorder(dataset, 'original').read(0)
    (step,) = shown_steps(notes, 'original')
    assert notes.metainfo['num_keypoints'] == 14
    assert step.results['keypoints'].shape[1] == 14


class TestDetection:
    @pytest.fixture(autouse=True)
    def _library(self):
        pytest.importorskip('mmdet')

    def write(self, tmp_path, shapes, text):
        return write_config(tmp_path / 'a.py', shapes, COCO, text)

    def test_nested(self, tmp_path, shapes):
        config = self.write(
            tmp_path,
            shapes,
            """
repeated = dict(type='RepeatDataset', times=3, dataset=whole_train)
# mmdet's own fails within another.
join = 'mmengine.ConcatDataset'
both = dict(type=join, datasets=[whole_val, whole_train])
balanced = dict(
    type='ClassBalancedDataset', oversample_thr=0.9, dataset=whole_train
)
dataset = dict(type=join, datasets=[repeated, both, balanced, whole_val])
""",
        )
        dataset = DATASETS.build(load_config(config).train_dataloader.dataset)
        parts = members(dataset)
        paths = [
            {dataset.get_data_info(index)['img_path'] for index in part}
            for part in parts
        ]
        assert list(map(len, paths)) == [TRAIN, VAL, TRAIN, TRAIN, VAL]
        # Each one of them, and nothing of its neighbours.
        assert paths[0] == paths[2] == paths[3]
        assert paths[1] == paths[4]
        assert not paths[0] & paths[1]
        assert len(parts[3]) > TRAIN
        assert parts[1].start == 3 * TRAIN
        browse(config, number=5, out_dir=str(tmp_path / 'out'))
        starts = [part.start for part in parts]
        assert numbers_of(tmp_path / 'out') == starts

    def test_members_of_other_classes(self, tmp_path, shapes):
        config = self.write(
            tmp_path,
            shapes,
            """
only = dict(whole_val, metainfo=dict(classes=('person',)))
dataset = dict(type='ConcatDataset', datasets=[whole_train, only])
""",
        )
        dataset = DATASETS.build(load_config(config).train_dataloader.dataset)
        assert isinstance(dataset.metainfo, list)
        recorder = StepRecorder(dataset, 'transformed')
        classes = [
            recorder.read(index)[0][1].metainfo['classes']
            for index in (0, TRAIN)
        ]
        assert [len(names) for names in classes] == [6, 1]
        with pytest.raises(UserError, match='6 names there and 1 here'):
            browse(config, number=2, out_dir=str(tmp_path / 'out'))
        browse(config, number=2, out_dir=str(tmp_path / 'out'), check=False)

    def test_copy_and_paste(self, tmp_path, shapes):
        config = self.write(
            tmp_path,
            shapes,
            """
load = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
dataset = dict(
    type='MultiImageMixDataset',
    dataset=dict(train, pipeline=[train['pipeline'][0], load]),
    pipeline=[dict(type='CopyPaste'), pack],
)
""",
        )
        out = tmp_path / 'out'
        browse(config, mode='pipeline', number=4, out_dir=str(out))
        assert numbers_of(out) == list(range(TRAIN))

    def test_branches(self, tmp_path, shapes):
        """Semi-supervised: the teacher and the student have their own."""
        config = self.write(
            tmp_path,
            shapes,
            """
fields = ['sup', 'teacher', 'student']
labeled = dict(train, pipeline=[
    *train['pipeline'],
    dict(type='MultiBranch', branch_field=fields, sup=pack),
])
unlabeled = dict(val, pipeline=[
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations'),
    dict(
        type='MultiBranch',
        branch_field=fields,
        teacher=[dict(type='Resize', scale=(48, 48)), pack],
        student=[dict(type='Resize', scale=(64, 64)), pack],
    ),
])
dataset = dict(type='ConcatDataset', datasets=[labeled, unlabeled])
""",
        )
        out = tmp_path / 'out'
        browse(config, number=2, out_dir=str(out))
        first, second = (
            cv2.imread(str(next(out.glob(f'train_{index:04d}*.png'))))
            for index in (0, TRAIN)
        )
        assert first.shape[:2] == (SIZE, SIZE)
        assert second.shape[1] >= 48 + 64

    def test_dropped(self, tmp_path, shapes):
        config = self.write(
            tmp_path,
            shapes,
            """
drop = dict(type='FilterAnnotations', min_gt_bbox_wh=(999, 999))
dataset = dict(
    type='ConcatDataset',
    datasets=[dict(train, pipeline=[*train['pipeline'], drop, pack])],
)
""",
        )
        with pytest.raises(
            UserError, match='sample 0: FilterAnnotations dropped it'
        ):
            browse(config, out_dir=str(tmp_path / 'out'))

    def test_nothing_packs(self, tmp_path, shapes):
        config = self.write(tmp_path, shapes, 'dataset = train\n')
        with pytest.raises(UserError, match='PackDetInputs or the like'):
            browse(config, out_dir=str(tmp_path / 'out'))


def test_how_many_of_each():
    parts = [range(0, 5), range(10, 11), range(11, 20)]
    assert first_of_each(parts, 4, 20) == [0, 1, 10, 11]
    assert first_of_each(parts, 8, 20) == [0, 1, 2, 3, 10, 11, 12, 13]
    # Repeated ones come when there are no others.
    assert first_of_each([range(2)], 5, 4) == [0, 1, 2, 3]
    assert first_of_each([range(10)], 3, 10) == [0, 1, 2]
