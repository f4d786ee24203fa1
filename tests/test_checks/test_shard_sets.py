"""What is wrong with shards is found before a run, and nothing else."""

import shutil
from pathlib import Path

import pytest
import shard_files
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmuniformer.checks import data_checks
from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.lists.shards import check_shards
from mmuniformer.checks.summaries import summary_of
from mmuniformer.shards.index import read_samples, read_shard_set

pytest.importorskip('mmpretrain')
pytest.importorskip('mmaction')


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('images')
    shard_files.make_images(root)
    return root


@pytest.fixture
def root(made, tmp_path) -> Path:
    """Shards that a test may damage."""
    shutil.copytree(made / 'shards', tmp_path / 'shards')
    return tmp_path


def config(root: Path, quick: str = shard_files.IMAGES, **train) -> Config:
    """The quick start's config on shards."""
    cfg = Config.fromfile(shard_files.QUICKSTART / quick)
    kind = 'Images' if quick == shard_files.IMAGES else 'Videos'
    for phase in ('train', 'val', 'test'):
        loader = cfg[f'{phase}_dataloader']
        loader.batch_size = 4
        loader.dataset = dict(
            type=f'mmuniformer.Sharded{kind}',
            data_root=str(root),
            ann_file=f'shards/{phase.replace("test", "val")}/shards.json',
            pipeline=loader.dataset.pipeline,
        )
    cfg.train_dataloader.dataset.update(train)
    init_default_scope(cfg.default_scope)
    return cfg


def everything(cfg: Config, decode: bool = False) -> list[str]:
    phases = ('train', 'val', 'test')
    return [str(f) for c in data_checks(cfg, phases, decode) for f in c]


def found(cfg: Config, decode: bool = False) -> list[str]:
    return [str(f) for f in check_shards(cfg, ('train',), decode)]


def test_nothing_is_wrong(root):
    assert everything(config(root), decode=True) == []


def test_nothing_is_wrong_with_videos(tmp_path):
    shard_files.make_videos(tmp_path)
    cfg = config(tmp_path, shard_files.VIDEOS)
    assert everything(cfg, decode=True) == []
    (train,) = data_sets(cfg, ('train',))
    summary = summary_of(train)
    assert (summary.unit, summary.samples) == ('clips', 12)
    assert list(summary.classes.values()) == [2] * 6


def test_what_is_counted(root, made):
    (train,) = data_sets(config(root), ('train',))
    summary = summary_of(train)
    assert (summary.unit, summary.samples) == ('images', shard_files.TRAIN)
    assert summary.classes == {
        folder.name: len(list(folder.iterdir()))
        for folder in sorted((made / 'train').iterdir())
    }


def test_missing_and_cut_off(root):
    train = root / 'shards' / 'train'
    (train / 'shard-000001.tar').unlink()
    tar = train / 'shard-000003.tar'
    tar.write_bytes(tar.read_bytes()[:-1])
    (text,) = found(config(root))
    assert 'shard-000001.tar does not exist; 1 more of the 7 shards' in text
    (train / 'shard-000003.json').unlink()
    (train / 'shards.json').unlink()
    (text,) = found(config(root))
    assert 'shards.json does not exist' in text
    (text,) = found(config(root, ann_file=''))
    assert 'train_dataloader.dataset has no ann_file' in text


def test_labels_and_classes(root):
    cfg = config(root)
    cfg.model.head.num_classes = 4
    texts = everything(cfg)
    assert any('has the label 5' in text for text in texts)
    assert any('model.head.num_classes is 4' in text for text in texts)
    cfg = config(root, metainfo=dict(classes=('a', 'b')))
    assert any('has 2 names' in text for text in everything(cfg))
    # Other names of the same folders, as ImageNet has them.
    names = ('disc', 'plus', 'human', 'box', 'sun', 'wedge')
    cfg = config(root, metainfo=dict(classes=names))
    for phase in ('val', 'test'):
        loader = cfg[f'{phase}_dataloader']
        loader.dataset.metainfo = dict(classes=names)
    assert everything(cfg) == []


def test_no_labels(root, tmp_path):
    index = root / 'shards' / 'train' / 'shard-000000.json'
    sample = read_samples(
        read_shard_set(index.with_name('shards.json')).shards[0]
    )[1]
    index.write_text(
        index.read_text().replace(
            f'{sample.crc}, {sample.label}]', f'{sample.crc}, null]'
        )
    )
    (text,) = found(config(root))
    assert f'{sample.name} of ' in text
    assert 'has no label; training needs' in text


def test_samples_are_read_on_demand(root):
    tar = root / 'shards' / 'train' / 'shard-000002.tar'
    shard = read_shard_set(tar.with_name('shards.json')).shards[2]
    content = bytearray(tar.read_bytes())
    names = []
    for sample in read_samples(shard)[:2]:
        content[sample.offset + 20] ^= 255
        names.append(sample.name)
    tar.write_bytes(content)
    assert found(config(root)) == []
    (text,) = found(config(root), decode=True)
    assert f'{names[0]} of the shard {tar} is damaged' in text
    assert '1 more of 26' in text


def test_images_that_were_damaged_before(tmp_path):
    folder = tmp_path / 'files' / 'a'
    folder.mkdir(parents=True)
    (folder / '1.jpg').write_bytes(b'no image' * 99)
    out = tmp_path / 'shards' / 'train'
    shard_files.make_shards(str(folder.parent), str(out))
    cfg = config(tmp_path)
    cfg.train_dataloader.drop_last = False
    (text,) = found(cfg, decode=True)
    assert 'a/1.jpg: cannot be decoded by cv2' in text


def test_transforms_that_read_elsewhere(root):
    cfg = config(root)
    loader = cfg.train_dataloader.dataset.pipeline[0]
    loader.backend_args = dict(backend='local')
    (text,) = found(cfg)
    assert 'pipeline.0.backend_args is' in text
    loader.backend_args = None
    assert found(cfg) == []


def test_an_epoch_without_a_step(root):
    cfg = config(root)
    cfg.train_dataloader.batch_size = 100
    (text,) = found(cfg)
    assert 'train_dataloader.batch_size is 100 with drop_last' in text
