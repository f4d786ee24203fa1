"""Data sets in shards: the same samples as of files, from several workers."""

import json
import os
import shutil
import socket
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shard_files
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope, init_default_scope

from mmuniformer import apis
from mmuniformer.datasets.token_labels import token_label_path
from mmuniformer.errors import DamagedSample, UnreadableVideo, UserError
from mmuniformer.shards import PREFIX, place_of, places, read_place
from mmuniformer.shards.index import read_samples, read_shard_set

pytest.importorskip('mmpretrain')
pytest.importorskip('mmaction')


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('images')
    shard_files.make_images(root)
    return root


@pytest.fixture(scope='module')
def videos(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('videos')
    shard_files.make_videos(root)
    return root


@pytest.fixture
def copied(request, tmp_path):
    """A copy of shards that a test may damage."""

    def copy(root: Path) -> Path:
        shutil.copytree(root / 'shards' / 'train', tmp_path / 'shards')
        return tmp_path / 'shards'

    return copy


def build(scope: str, **settings):
    with DefaultScope.overwrite_default_scope(scope):
        return DATASETS.build(settings)


def digests(dataset, key: str, label: str) -> Counter:
    """Label and bytes of each sample, from files and shards alike."""
    found = Counter()
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        path = info[key]
        content = (
            read_place(path)
            if path.startswith(PREFIX)
            else Path(path).read_bytes()
        )
        found[info[label], zlib.crc32(content)] += 1
    return found


def test_images_are_those_of_the_folders(images):
    init_default_scope('mmpretrain')
    of_files = build(
        'mmpretrain', type='CustomDataset', data_prefix=str(images / 'train')
    )
    of_shards = build(
        'mmpretrain',
        type='mmuniformer.ShardedImages',
        data_root=str(images),
        ann_file='shards/train/shards.json',
        pipeline=[dict(type='LoadImageFromFile')],
    )
    assert len(of_shards) == shard_files.TRAIN
    assert of_shards.metainfo == of_files.metainfo
    wanted = digests(of_files, 'img_path', 'gt_label')
    assert digests(of_shards, 'img_path', 'gt_label') == wanted
    sample = of_shards[0]
    assert sample['img'].shape == (64, 64, 3)
    assert of_shards.get_cat_ids(0) == [sample['gt_label']]
    # Transforms that look for another file of the image's name find it.
    path = Path(sample['img_path'])
    name = of_files.CLASSES[sample['gt_label']]
    assert token_label_path('maps', path) == Path(
        'maps', name, f'{path.stem}.pt'
    )
    assert (images / 'train' / name / path.name).exists()


@pytest.mark.parametrize('indices', [5, -5, [20, 3, 4]])
def test_a_part_knows_its_shards(images, indices):
    dataset = build(
        'mmpretrain',
        type='mmuniformer.ShardedImages',
        ann_file=str(images / 'shards/train/shards.json'),
        indices=indices,
    )
    tars = [
        int(places.tar_of(dataset.get_data_info(i)['img_path'])[-10:-4])
        for i in range(len(dataset))
    ]
    assert list(dataset.shard_numbers) == tars


@pytest.mark.parametrize('decoder', ['OpenCV', 'Decord', 'PyAV'])
def test_videos_are_those_of_the_list(videos, decoder):
    pytest.importorskip({'OpenCV': 'cv2', 'PyAV': 'av'}.get(decoder, 'decord'))
    settings = dict(
        pipeline=[
            dict(type=f'{decoder}Init'),
            dict(type='SampleFrames', clip_len=4, test_mode=True),
            dict(type=f'{decoder}Decode'),
        ],
        test_mode=True,
    )
    of_files = build(
        'mmaction',
        type='VideoDataset',
        data_root=str(videos),
        ann_file='shapes_train_list_videos.txt',
        data_prefix=dict(video='videos_train'),
        **settings,
    )
    of_shards = build(
        'mmaction',
        type='mmuniformer.ShardedVideos',
        ann_file=str(videos / 'shards/train/shards.json'),
        **settings,
    )
    wanted = digests(of_files, 'filename', 'label')
    assert digests(of_shards, 'filename', 'label') == wanted
    before = (
        set(os.listdir('/dev/shm')) if os.path.isdir('/dev/shm') else set()
    )
    sample = of_shards[0]
    name = Path(sample['filename']).name
    (same,) = (
        i for i in range(len(of_files))
        if of_files.get_data_info(i)['filename'].endswith(f'/{name}')
    )  # fmt: skip
    assert np.array_equal(sample['imgs'], of_files[same]['imgs'])
    if before:
        left = {n for n in os.listdir('/dev/shm') if n.endswith('.mp4')}
        assert left <= before


def test_two_processes_with_two_workers_each(images, tmp_path):
    """Every sample of an epoch once, by workers that were forked."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    ann_file = str(images / 'shards' / 'train' / 'shards.json')
    # The parent has read, and its children have its open files.
    for shard in read_shard_set(ann_file).shards[:2]:
        read_place(place_of(shard.tar, read_samples(shard)[0]))
    torch.multiprocessing.start_processes(
        shard_files.names_of_epochs,
        (port, ann_file, str(tmp_path), 2),
        nprocs=2,
        start_method='fork',
    )
    ranks = [json.loads((tmp_path / f'{r}.json').read_text()) for r in (0, 1)]
    epochs = []
    for epoch in range(2):
        parts = [ranks[rank][epoch] for rank in (0, 1)]
        assert len(parts[0]) == len(parts[1]) == shard_files.TRAIN // 2
        assert len({pid for part in parts for pid, _ in part}) == 4
        epochs.append([path for part in parts for _, path in part])
        assert len(set(epochs[-1])) == shard_files.TRAIN
    assert epochs[0] != epochs[1]


def test_few_files_are_open(images, monkeypatch):
    monkeypatch.setattr(places, 'MOST_OPEN', 2)
    found = read_shard_set(images / 'shards' / 'train' / 'shards.json')

    def descriptors() -> int:
        links = Path('/proc/self/fd').iterdir()
        return sum('shard-' in os.readlink(x) for x in links if x.is_symlink())

    places._own.__dict__.clear()
    before = descriptors()
    for _ in range(2):
        for shard in found.shards:
            for sample in read_samples(shard):
                read_place(place_of(shard.tar, sample))
    assert descriptors() <= before + 2


class TestDamage:
    def load(self, folder: Path):
        return build(
            'mmpretrain',
            type='mmuniformer.ShardedImages',
            ann_file=str(folder / 'shards.json'),
            pipeline=[dict(type='LoadImageFromFile')],
        )

    def refused(self, folder: Path, match: str):
        with pytest.raises(UserError, match=match) as caught:
            self.load(folder)
        assert '\n' not in str(caught.value)

    def test_something_is_missing(self, images, copied):
        folder = copied(images)
        index, tar = folder / 'shard-000001.json', folder / 'shard-000002.tar'
        index.rename(folder / 'away')
        self.refused(folder, r'shard-000001.json does not exist; copy')
        (folder / 'away').rename(index)
        tar.unlink()
        self.refused(folder, r'shard-000002.tar does not exist; copy')
        (folder / 'shards.json').unlink()
        self.refused(folder, r'shards.json does not exist; .*make_shards')

    def test_another_size(self, images, copied):
        folder = copied(images)
        tar = folder / 'shard-000000.tar'
        tar.write_bytes(tar.read_bytes()[:-600])
        self.refused(folder, r'shard-000000.tar has \d+ bytes, and its index')

    def test_cut_off_while_it_is_read(self, images, copied):
        folder = copied(images)
        dataset = self.load(folder)
        os.truncate(folder / 'shard-000000.tar', 700)
        with pytest.raises(UserError, match=r'shard-000000\.tar is cut off'):
            dataset[0]

    def test_another_content(self, images, copied):
        folder = copied(images)
        dataset = self.load(folder)
        tar = folder / 'shard-000000.tar'
        sample = read_samples(read_shard_set(folder / 'shards.json').shards[0])
        content = bytearray(tar.read_bytes())
        content[sample[1].offset + 10] ^= 1
        tar.write_bytes(content)
        assert dataset[0]['img'].size
        name = sample[1].name
        with pytest.raises(DamagedSample, match=f'^{name} of .*-000000.tar'):
            dataset[1]

    def test_an_index_that_is_none(self, images, copied):
        folder = copied(images)
        (folder / 'shard-000000.json').write_text('{"version": 1')
        self.refused(folder, r'shard-000000.json is no JSON')
        (folder / 'shards.json').write_text('{"version": 99}')
        self.refused(folder, r'no index of shards of version 1')

    def test_videos_may_be_skipped(self, videos, copied):
        folder = copied(videos)
        settings = dict(
            type='mmuniformer.ShardedVideos',
            ann_file=str(folder / 'shards.json'),
            pipeline=[dict(type='OpenCVInit')],
        )
        tar = folder / 'shard-000000.tar'
        sample = read_samples(read_shard_set(folder / 'shards.json').shards[0])
        content = bytearray(tar.read_bytes())
        content[sample[0].offset] ^= 1
        tar.write_bytes(content)
        with pytest.raises(UnreadableVideo, match=sample[0].name):
            build('mmaction', **settings)[0]
        skipping = build('mmaction', unreadable='skip', **settings)
        assert skipping[0]['filename'] != place_of(tar, sample[0])
        tar.unlink()
        places._own.__dict__.clear()
        # A shard that is gone is no such video.
        with pytest.raises(UserError, match='No such file'):
            skipping[1]

    def test_a_video_that_was_damaged_before(self, tmp_path):
        root = tmp_path / 'files' / 'a'
        root.mkdir(parents=True)
        (root / '1.mp4').write_bytes(b'no video' * 99)
        shard_files.make_shards(str(root.parent), str(tmp_path / 'out'))
        for decoder in ('OpenCV', 'Decord'):
            dataset = build(
                'mmaction',
                type='mmuniformer.ShardedVideos',
                ann_file=str(tmp_path / 'out' / 'shards.json'),
                pipeline=[dict(type=f'{decoder}Init')],
            )
            with pytest.raises(
                UnreadableVideo, match=r'shard-000000.tar#.*/a/1.mp4: it is da'
            ):
                dataset[0]


ARCH = """
arch = dict(
    _delete_=True, depths=(1, 1, 1, 1), embed_dims=(16, 16, 32, 32),
    head_dim=16{conv_stem})
"""
TRAINING = """
_base_ = {base!r}
{arch}
model = dict(backbone=dict(arch=arch), {head}=dict(in_channels=32))
loader = dict(batch_size=8, num_workers=1, persistent_workers=False)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='mmuniformer.ShardSampler'),
    dataset=dict(
        _delete_=True, type='mmuniformer.{kind}', data_root={root!r},
        ann_file='shards/train/shards.json',
        pipeline=_base_.train_pipeline),
    **loader)
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type='mmuniformer.{kind}', data_root={root!r},
        ann_file='shards/val/shards.json', test_mode=True,
        pipeline=_base_.test_pipeline),
    **loader)
test_dataloader = val_dataloader
param_scheduler = []
train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1))
"""


def trained(tmp_path: Path, **values) -> Path:
    path = tmp_path / f'{tmp_path.name}.py'
    path.write_text(TRAINING.format(**values))
    # With all checks: none of them is in the way.
    apis.train(str(path), work_dir=str(tmp_path / 'run'))
    (log,) = (tmp_path / 'run').glob('*/*.log')
    return log


def test_the_classification_of_the_quick_start(images, tmp_path):
    log = trained(
        tmp_path,
        base=str(shard_files.QUICKSTART / shard_files.IMAGES),
        arch=ARCH.format(conv_stem=', conv_stem=True'),
        head='head',
        kind='ShardedImages',
        root=str(images),
    )
    text = log.read_text()
    # What is dropped of 26 images is less than a batch.
    assert 'Epoch(train) [1][3/3]' in text
    assert 'accuracy/top1' in text
    assert ' WARNING - train_dataloader' not in text
    apis.test(
        str(tmp_path / f'{tmp_path.name}.py'),
        str(tmp_path / 'run' / 'epoch_1.pth'),
        work_dir=str(tmp_path / 'tested'),
        show_dir=str(tmp_path / 'pictures'),
    )
    # Below the folders of their classes, whichever shard they are in.
    drawn = [p.parent.name for p in (tmp_path / 'pictures').glob('*/*.png')]
    val = [p.parent.name for p in (images / 'val').glob('*/*.jpg')]
    assert sorted(drawn) == sorted(val)


def test_the_videos_of_the_quick_start(videos, tmp_path):
    log = trained(
        tmp_path,
        base=str(shard_files.QUICKSTART / shard_files.VIDEOS),
        arch=ARCH.format(conv_stem=''),
        head='cls_head',
        kind='ShardedVideos',
        root=str(videos),
    )
    text = log.read_text()
    assert 'Epoch(train) [1][1/1]' in text
    assert 'acc/top1' in text
    assert Config.fromfile(
        next((tmp_path / 'run').glob('*.py'))
    ).train_dataloader.dataset.type.endswith('ShardedVideos')
