"""A video that cannot be read ends a run, or is skipped, with its name."""

import multiprocessing
import struct
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

pytest.importorskip('mmaction')

from damaged_videos import DAMAGES, textured, write_damaged
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope, init_default_scope

from mmuniformer.apis import train
from mmuniformer.datasets.shapes.videos import write_video
from mmuniformer.datasets.video_readers import with_names
from mmuniformer.datasets.videos import RepeatAugDataset, VideoDataset
from mmuniformer.errors import UnreadableVideo, UserError

ROOT = Path(__file__).resolve().parents[2]
REASONS = {'missing': 'there is no such file', 'empty': 'it is empty'}
DAMAGED = 'it is damaged, cut off or not a video'
SAMPLE = dict(type='SampleFrames', clip_len=8, frame_interval=2)
CONFIG = """
_base_ = ['{root}/configs/quickstart/uniformer-tiny_8x2x1_shapes.py']
data = {data!r}
steps = [
    dict(type='{reader}Init'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2),
    dict(type='{reader}Decode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers={workers},
    persistent_workers=False,
    dataset=dict(data_root=data, ann_file='list.txt', pipeline=steps),
)
val_cfg = val_dataloader = val_evaluator = None
train_cfg = dict(max_epochs=2, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=2))
"""


@pytest.fixture
def scope():
    """Transforms are mmaction2's."""
    init_default_scope('mmaction')
    yield
    DefaultScope._instance_dict.popitem()


def turn(path: Path, degrees: int) -> None:
    """Has players show a video turned clockwise."""
    data = bytearray(path.read_bytes())
    # Of the header of the track, in fixed point.
    place = data.index(b'tkhd') + 4 + 40
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    rows = (cos, sin, 0, -sin, cos, 0)
    matrix = [value << 16 for value in rows] + [0, 0, 1 << 30]
    data[place : place + 36] = struct.pack('>9i', *matrix)
    path.write_bytes(data)


def read(path: Path, reader: str) -> dict:
    steps = [f'{reader}Init', SAMPLE | dict(test_mode=True), f'{reader}Decode']
    steps = [s if isinstance(s, dict) else dict(type=s) for s in steps]
    return Compose(with_names(steps))(dict(filename=str(path), start_index=0))


@pytest.mark.usefixtures('scope')
@pytest.mark.parametrize('reader', ['Decord', 'OpenCV'])
class TestReaders:
    @pytest.mark.parametrize('damage', DAMAGES)
    def test_the_file_and_what_is_wrong_are_said(
        self, tmp_path, reader, damage
    ):
        path = tmp_path / 'a b.mp4'
        write_damaged(path, damage)
        with pytest.raises(UnreadableVideo) as raised:
            read(path, reader)
        reason = REASONS.get(damage, DAMAGED)
        assert str(raised.value) == f'cannot read the video {path}: {reason}'

    def test_a_whole_video_is_read_as_before(self, tmp_path, reader):
        path = tmp_path / 'a.mp4'
        write_video(path, textured())
        found = read(path, reader)
        assert found['total_frames'] == 24
        assert found['frame_inds'].tolist() == list(range(4, 20, 2))
        for frame, index in zip(found['imgs'], range(4, 20, 2), strict=True):
            # What compression leaves; another frame is further away.
            difference = frame.astype(float) - textured()[index]
            assert abs(difference).mean() < 8

    def test_a_mistake_of_the_pipeline_is_not_the_video(
        self, tmp_path, reader
    ):
        path = tmp_path / 'a.mp4'
        write_video(path, textured())
        steps = [dict(type=f'{reader}Init'), dict(type=f'{reader}Decode')]
        with pytest.raises(KeyError, match='frame_inds'):
            Compose(with_names(steps))(dict(filename=str(path), start_index=0))


@pytest.mark.usefixtures('scope')
@pytest.mark.parametrize('degrees', [90, 180, 270])
@pytest.mark.parametrize('reader', ['Decord', 'OpenCV', 'PyAV'])
def test_a_video_that_lies_is_read_upright(tmp_path, reader, degrees):
    pytest.importorskip({'OpenCV': 'cv2', 'PyAV': 'av'}.get(reader, 'decord'))
    path = tmp_path / 'a.mp4'
    write_video(path, [frame[:64] for frame in textured()])
    lying = read(path, reader)
    turn(path, degrees)
    upright = read(path, reader)
    assert upright['img_shape'] == upright['imgs'][0].shape[:2]
    for frame, other in zip(upright['imgs'], lying['imgs'], strict=True):
        np.testing.assert_array_equal(frame, np.rot90(other, -degrees // 90))


def test_a_reader_that_is_not_installed_is_named(tmp_path, scope, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    write_video(tmp_path / 'a.mp4', textured())
    with pytest.raises(UserError, match=r'PyAVInit reads no video: .*install'):
        read(tmp_path / 'a.mp4', 'PyAV')


class TestDataSet:
    @pytest.mark.parametrize(
        ('arguments', 'message'),
        [
            (dict(unreadable='ignore'), "'stop' or 'skip', not 'ignore'"),
            (dict(unreadable='skip', test_mode=True), 'is for training'),
        ],
    )
    def test_wrong_values_are_refused(self, arguments, message):
        with pytest.raises(UserError, match=message):
            VideoDataset(ann_file='list.txt', pipeline=[], **arguments)

    @pytest.mark.usefixtures('scope')
    def test_a_test_says_what_to_do(self, tmp_path):
        (tmp_path / 'list.txt').write_text('a.mp4 0\n')
        dataset = VideoDataset(
            ann_file=str(tmp_path / 'list.txt'),
            pipeline=[dict(type='OpenCVInit')],
            test_mode=True,
        )
        with pytest.raises(UnreadableVideo, match=r'take it off .*list\.txt'):
            dataset[0]

    @pytest.mark.usefixtures('scope')
    def test_repeated_augmentation(self, tmp_path):
        write_damaged(tmp_path / 'a.mp4', 'cut, index first')
        write_video(tmp_path / 'b.mp4', textured())
        (tmp_path / 'list.txt').write_text('a.mp4 0\nb.mp4 1\n')
        dataset = RepeatAugDataset(
            ann_file=str(tmp_path / 'list.txt'),
            pipeline=[
                dict(type='DecordInit'),
                SAMPLE,
                dict(type='DecordDecode'),
            ],
            data_prefix=dict(video=str(tmp_path)),
            num_repeats=2,
        )
        with pytest.raises(UnreadableVideo, match=rf'{DAMAGED}$') as raised:
            dataset[0]
        assert str(tmp_path / 'a.mp4') in str(raised.value)
        assert [len(copy['imgs']) for copy in dataset[1]] == [8, 8]


@pytest.fixture
def config(tmp_path):
    """Writes four videos, damages some, and a config that trains on them."""

    def make(damages: list[str], workers: int, reader: str = 'Decord') -> str:
        folder = tmp_path / 'data' / 'videos_train'
        folder.mkdir(parents=True)
        lines = []
        for index in range(4):
            path = folder / f'{index}.mp4'
            lines.append(f'{path.name} {index}\n')
            if index < len(damages):
                write_damaged(path, damages[index])
            else:
                write_video(path, textured())
        (tmp_path / 'data' / 'list.txt').write_text(''.join(lines))
        # mmengine keeps loggers by the config's name.
        path = tmp_path / f'{tmp_path.name}.py'
        path.write_text(
            CONFIG.format(
                root=ROOT,
                data=str(tmp_path / 'data'),
                reader=reader,
                workers=workers,
            )
        )
        return str(path)

    return make


@pytest.mark.parametrize('workers', [0, 2])
def test_training_ends_and_names_the_file(tmp_path, config, workers):
    path = config(['cut, index first'], workers)
    with pytest.raises(UserError) as raised:
        train(path, work_dir=str(tmp_path / 'work'))
    message = str(raised.value)
    bad = tmp_path / 'data/videos_train/0.mp4'
    assert message.startswith(f'cannot read the video {bad}: {DAMAGED}; ')
    assert 'train_dataloader.dataset.unreadable=skip' in message
    assert '\n' not in message
    assert not list((tmp_path / 'work').glob('*.pth'))


@pytest.mark.parametrize('reader', ['Decord', 'OpenCV'])
def test_training_goes_on_if_told_to(tmp_path, config, reader):
    damages = ['cut', 'missing', 'cut, index first']
    train(
        config(damages, workers=2, reader=reader),
        work_dir=str(tmp_path / 'work'),
        cfg_options={'train_dataloader.dataset.unreadable': 'skip'},
    )
    assert (tmp_path / 'work/epoch_2.pth').is_file()
    log = next((tmp_path / 'work').glob('*/*.log')).read_text()
    assert log.count('Epoch(train) [2]') == 2
    for index in range(4):
        # Once, although it is met in both epochs.
        said = log.count(f'{index}.mp4: ')
        assert said == (index < len(damages)), log
    assert log.count('training goes on without it') == len(damages)


@pytest.mark.usefixtures('scope')
def test_two_workers_that_meet_it_at_once_say_it_once(tmp_path):
    count = 300
    lines = [f'{index}.mp4 0\n' for index in range(count + 1)]
    (tmp_path / 'list.txt').write_text(''.join(lines))
    dataset = VideoDataset(
        ann_file=str(tmp_path / 'list.txt'), pipeline=[], unreadable='skip'
    )
    forked = multiprocessing.get_context('fork')
    together = forked.Barrier(2)

    def work(name: str) -> None:
        told = 'mmuniformer.datasets.videos.print_log'
        with open(tmp_path / name, 'w') as log, mock.patch(told) as print_log:
            print_log.side_effect = lambda text, **_: log.write(f'{text}\n')
            for index in range(count):
                together.wait(60)
                dataset._skip(index, UnreadableVideo(f'{index}.mp4'))

    workers = [forked.Process(target=work, args=(name,)) for name in 'ab']
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    said = [
        line.partition('.')[0]
        for name in 'ab'
        for line in (tmp_path / name).read_text().splitlines()
    ]
    assert sorted(map(int, said)) == list(range(count))


def test_nothing_but_unreadable_videos_ends_it_all_the_same(tmp_path, config):
    path = config(['empty', 'cut', 'text', 'missing'], workers=1)
    with pytest.raises(UserError, match=r'^no video of .*list\.txt can be'):
        train(
            path,
            work_dir=str(tmp_path / 'work'),
            cfg_options={'train_dataloader.dataset.unreadable': 'skip'},
        )


def test_the_command_line_gives_one_line(tmp_path, config):
    tool = ROOT / 'tools' / 'train.py'
    result = subprocess.run(
        [sys.executable, tool, config(['cut'], 2), '--work-dir', tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith('error: cannot read the video ')
    assert '0.mp4' in error
