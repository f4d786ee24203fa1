"""tools/analysis_tools/browse_dataset.py for each host library."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmuniformer.apis import browse
from mmuniformer.datasets.shapes import generate
from mmuniformer.errors import UserError

SIZE = 96
LOADER = 'num_workers=0, batch_size=1, sampler=dict(type="DefaultSampler")'
CONFIGS = {
    'mmdet': """
default_scope = 'mmdet'
visualizer = dict(type='DetLocalVisualizer')
dataset = dict(
    type='CocoDataset',
    data_root={root!r},
    ann_file='annotations/instances_train.json',
    metainfo=dict(classes={classes!r}),
    data_prefix=dict(img='images/train/'),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='Resize', scale=(48, 48)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackDetInputs'),
    ],
)
""",
    'mmseg': """
default_scope = 'mmseg'
visualizer = dict(type='SegLocalVisualizer')
dataset = dict(
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
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', scale=(48, 48)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackSegInputs'),
    ],
)
""",
    'mmpose': """
default_scope = 'mmpose'
visualizer = dict(type='PoseLocalVisualizer', backend='matplotlib')
dataset = dict(
    type='CocoDataset',
    data_root={root!r},
    ann_file='annotations/person_keypoints_train.json',
    data_prefix=dict(img='images/train/'),
    pipeline=[
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=(48, 64)),
        dict(type='PackPoseInputs'),
    ],
)
""",
    'mmpretrain': """
default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
dataset = dict(
    type='CustomDataset',
    data_root={root!r},
    data_prefix='images',
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(48, 48)),
        dict(type='PackInputs'),
    ],
)
""",
    'mmaction': """
default_scope = 'mmaction'
visualizer = dict(type='ActionVisualizer')
dataset = dict(
    type='VideoDataset',
    ann_file={root!r} + '/videos.txt',
    data_prefix=dict(video={root!r}),
    pipeline=[
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(48, 48), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ],
)
""",
}
# Width and height of a transformed picture, where it is not 48 x 48.
SIZES = {'mmpose': (48, 64), 'mmaction': (4 * 48, 48)}


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('shapes') / 'data'
    generate(root, train=4, val=1, size=SIZE)
    fourcc = cv2.VideoWriter.fourcc(*'mp4v')
    video = cv2.VideoWriter(str(root / 'v.mp4'), fourcc, 8, (SIZE, SIZE))
    frame = cv2.imread(str(root / 'images' / 'train' / '000001.jpg'))
    for shift in range(8):
        video.write(np.roll(frame, shift, axis=1))
    video.release()
    (root / 'videos.txt').write_text('v.mp4 3\n')
    return root


@pytest.fixture(params=list(CONFIGS))
def host(request) -> str:
    pytest.importorskip(request.param)
    if request.param == 'mmaction':
        pytest.importorskip('decord')
    return request.param


@pytest.fixture
def config(host, shapes, tmp_path) -> str:
    content = json.loads(
        (shapes / 'annotations' / 'instances_train.json').read_text()
    )
    classes = tuple(c['name'] for c in content['categories'])
    text = CONFIGS[host].format(root=str(shapes), classes=classes)
    text += f'train_dataloader = dict({LOADER}, dataset=dataset)\n'
    path = tmp_path / f'{host}.py'
    path.write_text(text)
    return str(path)


def test_transformed(host, config, shapes, tmp_path):
    browse(config, number=1, out_dir=str(tmp_path / 'out'))
    (file,) = (tmp_path / 'out').iterdir()
    name = 'v' if host == 'mmaction' else '000001'
    assert file.name == f'train_0000_{name}.png'
    picture = cv2.imread(str(file))
    width, height = SIZES.get(host, (48, 48))
    assert picture.shape[1] == width
    # mmpose puts the heatmap below.
    assert picture.shape[0] in (height, 2 * height)
    assert picture.std() > 10


def test_original_is_the_file_with_annotations(host, config, shapes, tmp_path):
    browse(config, mode='original', number=1, out_dir=str(tmp_path / 'out'))
    (file,) = (tmp_path / 'out').iterdir()
    picture = cv2.imread(str(file))
    assert picture.shape[0] == SIZE
    original = cv2.imread(str(shapes / 'images' / 'train' / '000001.jpg'))
    picture = picture[:, :SIZE].astype(int)
    # Drawn upon, but the same image in the same channel order.
    difference = np.abs(picture - original)
    assert (difference > 30).any()
    assert difference.mean() < np.abs(picture - original[..., ::-1]).mean()


def test_pipeline_shows_the_steps(host, config, tmp_path):
    browse(config, mode='pipeline', number=1, out_dir=str(tmp_path / 'out'))
    (file,) = (tmp_path / 'out').iterdir()
    picture = cv2.imread(str(file))
    assert picture.shape[0] > SIZE
    assert picture.shape[1] > SIZE + SIZES.get(host, (48, 48))[0]


class TestLabels:
    @pytest.fixture
    def host(self) -> str:
        pytest.importorskip('mmseg')
        return 'mmseg'

    def test_their_check_is_no_step(self, config, tmp_path):
        steps = ('Resize', 'RandomFlip')
        text = ''.join(
            line
            for line in Path(config).read_text().splitlines(keepends=True)
            if not any(f"type='{step}'" in line for step in steps)
        )
        pictures = []
        # With a number of classes labels are checked.
        for model in ('{}', 'dict(decode_head=dict(num_classes=20))'):
            Path(config).write_text(f'{text}model = {model}\n')
            browse(config, mode='pipeline', number=1, out_dir=str(tmp_path))
            pictures.append(
                cv2.imread(str(tmp_path / 'train_0000_000001.png'))
            )
        np.testing.assert_array_equal(*pictures)


def test_what_a_config_says_of_its_run(config, tmp_path):
    """One that a run wrote is looked at where that run could not go on."""
    with open(config, 'a', encoding='utf-8') as file:
        file.write(
            "resume = True\nlauncher = 'pytorch'\ndevice = 'cuda'\n"
            "work_dir = '/proc/none'\nload_from = 'gone.pth'\n"
        )
    browse(config, number=1, out_dir=str(tmp_path / 'out'))
    assert list((tmp_path / 'out').iterdir())


class TestMistakes:
    @pytest.fixture
    def host(self) -> str:
        pytest.importorskip('mmdet')
        return 'mmdet'

    def test_missing_phase(self, config):
        with pytest.raises(UserError, match='has no val_dataloader'):
            browse(config, phase='val')

    def test_number(self, config):
        with pytest.raises(UserError, match='--number must be at least 1'):
            browse(config, number=0)

    def test_no_display(self, config, monkeypatch):
        monkeypatch.delenv('DISPLAY', raising=False)
        monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
        with pytest.raises(UserError, match='--show needs a display'):
            browse(config, show=True)

    def test_missing_data(self, config, tmp_path):
        options = {'train_dataloader.dataset.data_root': str(tmp_path / 'no')}
        with pytest.raises(UserError, match=r'instances_train\.json does not'):
            browse(config, cfg_options=options)
