"""What is wrong with lists and folders of images is found."""

import json
import re
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from mmuniformer.checks.data_sets import data_sets
from mmuniformer.checks.finding import Finding
from mmuniformer.checks.lists.images import check_image_lists, summary

pytest.importorskip('mmpretrain')

NAMES = ['cat', 'dog', 'eel']
LIST = 'cat/0.jpg 0\ndog/0.jpg 1\neel/a b.jpg 2\n'


@pytest.fixture(autouse=True)
def scope(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    init_default_scope('mmpretrain')


@pytest.fixture
def root(tmp_path) -> Path:
    """Two images of each of three classes, for training and validation."""
    for phase in ('train', 'val'):
        for name in NAMES:
            folder = tmp_path / 'data' / phase / name
            folder.mkdir(parents=True)
            for image in ('0.jpg', 'a b.jpg'):
                Image.new('RGB', (8, 8)).save(folder / image)
    return tmp_path / 'data'


def config(root: Path, number: int = 3, **train) -> Config:
    base = dict(type='CustomDataset', data_root=str(root))
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='ImageClassifier',
                head=dict(type='LinearClsHead', num_classes=number),
            ),
            train_dataloader=dict(
                dataset=base | dict(data_prefix='train') | train
            ),
            val_dataloader=dict(dataset=base | dict(data_prefix='val')),
            val_evaluator=dict(type='Accuracy'),
        )
    )


def listed(root: Path, text: str | bytes, **train) -> Config:
    content = text if isinstance(text, bytes) else text.encode()
    (root / 'list.txt').write_bytes(content)
    return config(root, ann_file='list.txt', **train)


def look(cfg: Config, *phases: str) -> list[Finding]:
    return list(check_image_lists(cfg, phases or ('train', 'val')))


def matches(finding: Finding, message: str) -> bool:
    return re.search(message, str(finding)) is not None


@pytest.mark.parametrize('text', [
    LIST, LIST.replace('\n', '\r\n'), LIST.replace('\n', '  \n'), LIST[:-1],
])  # fmt: skip
def test_right_lists_pass(root, text):
    cfg = listed(root, text)
    assert look(cfg) == []
    built = DATASETS.build(cfg.train_dataloader.dataset)
    (data_set,) = data_sets(cfg, ['train'])
    found = summary(data_set)
    assert found.samples == len(built) == 3
    assert [str(file) for file in found.files] == [
        built.get_data_info(i)['img_path'] for i in range(3)
    ]
    assert found.classes == {'0': 1, '1': 1, '2': 1}


@pytest.mark.parametrize(('text', 'level', 'message'), [
    ('', 'error', 'list.txt is empty'),
    (LIST + 'cat/a b.jpg 3\n', 'error',
     "line 4: 'cat/a b.jpg 3' has the label 3: .* labels are 0 to 2"),
    (LIST + 'cat/a b.jpg -1\n', 'error', 'has the label -1: labels count'),
    (LIST.replace(' 2', ' 3').replace(' 1', ' 2').replace(' 0', ' 1'),
     'error', 'the labels count from 1'),
    (LIST + '\n', 'error', "line 4: '' is an empty line"),
    (LIST.replace(' 1', ''), 'error', r"line 2: 'dog/0\.jpg' has no label"),
    ('path label\n' + LIST, 'error', 'line 1: .* is a header'),
    (LIST.replace('.jpg ', '.jpg,'), 'error', "by a space, not by ','"),
    (LIST.replace('.jpg ', '.jpg\t'), 'error', r"by a space, not by '\\t'"),
    (LIST.replace(' 1', ' 1.0'), 'error', 'a label is a whole number'),
    (LIST.replace(' 1', ' dog'), 'error',
     r"it has the name 'dog' .* by metainfo\.classes: 1 for 'dog'"),
    (LIST.replace('dog/', 'dgo/'), 'error',
     r"line 2: 'dgo/0\.jpg 1' has no file: .*train/dgo/0\.jpg does not"),
    (LIST + 'cat/0.jpg 1\n', 'warning', 'has another label .* line 1'),
    (LIST + 'cat/0.jpg 0\n', 'note', 'is line 1 again'),
    ('\ufeff' + LIST, 'error', 'byte-order mark'),
    (LIST.encode('utf-16'), 'error', 'list.txt is UTF-16'),
    (LIST.replace('eel', 'ée').encode('latin-1'), 'error',
     'line 3: byte 0xe9 is not UTF-8'),
])  # fmt: skip
def test_wrong_lists(root, text, level, message):
    (finding,) = look(listed(root, text, classes=NAMES))
    assert finding.level == level
    assert matches(finding, message), finding


def test_a_list_without_labels(root):
    text = re.sub(r' \d\n', '\n', LIST)
    cfg = listed(root, text, with_label=False)
    (finding,) = look(cfg)
    assert matches(finding, 'training needs the class of each image')
    # Learning from the images alone.
    cfg.model.type = 'MAE'
    assert look(cfg) == []
    cfg.test_dataloader = cfg.train_dataloader
    cfg.test_evaluator = [dict(type='Accuracy')]
    (finding,) = look(cfg, 'test')
    assert matches(finding, 'Accuracy would have nothing .*--out FILE')
    cfg.test_evaluator = []
    assert look(cfg, 'test') == []


def test_folders_of_classes(root):
    for classes in (None, NAMES):
        cfg = config(root)
        if classes:
            cfg.train_dataloader.dataset.classes = classes
        assert look(cfg) == []
        (data_set,) = data_sets(cfg, ['train'])
        assert summary(data_set).classes == dict.fromkeys(NAMES, 2)
        built = DATASETS.build(cfg.train_dataloader.dataset)
        assert summary(data_set).samples == len(built)


def add_hidden(root: Path) -> None:
    (root / 'train' / '.ipynb_checkpoints').mkdir()


def add_other(root: Path) -> None:
    Image.new('RGB', (8, 8)).save(root / 'train' / 'cat' / 'x.webp')


def add_loose(root: Path) -> None:
    Image.new('RGB', (8, 8)).save(root / 'train' / 'x.png')


def empty_class(root: Path) -> None:
    for image in (root / 'train' / 'dog').iterdir():
        image.unlink()


def no_folder_in_validation(root: Path) -> None:
    shutil.rmtree(root / 'val' / 'dog')


def no_folders(root: Path) -> None:
    shutil.rmtree(root / 'train')
    (root / 'train').mkdir()


def a_file(root: Path) -> None:
    shutil.rmtree(root / 'train')
    (root / 'train').touch()


@pytest.mark.parametrize(('change', 'settings', 'level', 'message'), [
    (a_file, {}, 'error', 'train is a file, not a folder'),
    (None, dict(ann_file='train'), 'error', 'train is a folder'),
    (None, dict(data_prefix='no'), 'error', r'data/no does not exist'),
    (add_hidden, {}, 'error', r'hidden folder \.ipynb_checkpoints'),
    (add_other, {}, 'warning', r'images that are not read \(1: \.webp\)'),
    (add_loose, {}, 'warning', r'beside the folders .*\(1\): x\.png'),
    (empty_class, {}, 'warning', 'no image in the folder dog'),
    (no_folder_in_validation, {}, 'error',
     'val lacks dog, so its folders have other numbers than those of .*train'),
    (no_folders, {}, 'error', 'train has no images'),
])  # fmt: skip
def test_wrong_folders(root, change, settings, level, message):
    if change:
        change(root)
    finding, *_ = look(config(root, **settings))
    assert finding.level == level
    assert matches(finding, message), finding


def test_images_of_imagenet_in_one_folder(root):
    """The list that mmpretrain looks for, where it is not."""
    shutil.rmtree(root / 'val')
    shutil.copytree(root / 'train/cat', root / 'val')
    cfg = config(root)
    cfg.val_dataloader.dataset = dict(
        type='ImageNet', data_root=str(root), split='val', classes=NAMES
    )
    (finding,) = look(cfg, 'val')
    assert 'val has no folders of classes, only images' in finding.what
    place = root / 'meta/val.txt'
    assert finding.mend.endswith(f'for each image into {place}')
    place.parent.mkdir()
    place.write_text('0.jpg 0\na b.jpg 1\n')
    assert look(cfg, 'val') == []


def test_folders_in_the_order_of_classes(root):
    cfg = config(root, classes=['dog', 'cat', 'eel'])
    assert not look(cfg)
    (train, *_) = data_sets(cfg, ['train'])
    assert list(summary(train).classes) == ['dog', 'cat', 'eel']


def test_a_class_that_adds_to_the_host(root):
    @DATASETS.register_module(name='OwnImages')
    class OwnImages(DATASETS.get('mmpretrain.CustomDataset')):
        pass

    try:
        text = LIST + 'cat/a b.jpg 7\n'
        (finding,) = look(listed(root, text, type='OwnImages'))
        assert matches(finding, 'has the label 7')
    finally:
        del DATASETS.module_dict['OwnImages']


def entries(*labels) -> list[dict]:
    names = ('cat/0.jpg', 'dog/0.jpg')
    return [
        dict(img_path=name, gt_label=label)
        for name, label in zip(names, labels, strict=True)
    ]


def written(root: Path, entries: list, **metainfo) -> Config:
    content = dict(metainfo=metainfo, data_list=entries)
    (root / 'list.json').write_text(json.dumps(content))
    return config(root, type='MultiLabelDataset', ann_file='list.json')


def test_several_labels_an_image(root):
    cfg = written(root, entries([0, 2], []), classes=NAMES)
    assert look(cfg) == []
    built = DATASETS.build(cfg.train_dataloader.dataset)
    (data_set,) = data_sets(cfg, ['train'])
    found = summary(data_set)
    assert found.classes == dict(cat=1, dog=0, eel=1)
    assert str(found.files[1]) == built.get_data_info(1)['img_path']


@pytest.mark.parametrize(('entries', 'level', 'message'), [
    (entries([0, 3], [1]), 'error', r'data_list\[0\]: its gt_label has 3'),
    (entries([0], [-1]), 'error', r'data_list\[1\]: its gt_label has -1'),
    (entries([0], ['dog']), 'error', 'is not of whole numbers'),
    ([dict(img_path='cat/0.jpg')], 'error', 'has no label'),
    ([*entries([0], [1]), dict(img_path='cat/a b.jpg')], 'error',
     r'data_list\[2\]: it has no gt_label'),
    ([dict(gt_label=[1])], 'error', 'it has no img_path'),
    ([dict(img_path='x.jpg', gt_label=[1])], 'error', 'x.jpg does not exist'),
    ([], 'error', 'its data_list is empty'),
])  # fmt: skip
def test_wrong_entries(root, entries, level, message):
    finding, *_ = look(written(root, entries, classes=NAMES))
    assert finding.level == level
    assert matches(finding, message), finding


def test_a_json_file_that_is_none(root):
    cfg = written(root, entries([0], [1]), classes=NAMES[:2])
    (finding,) = look(cfg)
    assert matches(finding, 'names 2 classes, and the model has 3')
    file = root / 'list.json'
    file.write_text(file.read_text()[:-9])
    (finding,) = look(cfg)
    assert matches(finding, r'list\.json, line 1: .* cut off')
    file.write_text('[]')
    (finding,) = look(cfg)
    assert matches(finding, 'has no metainfo and no data_list')


@pytest.mark.parametrize('folders', [True, False])
def test_images_are_decoded_when_asked(root, folders):
    cfg = config(root) if folders else listed(root, LIST)
    cfg.train_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile')]
    assert list(check_image_lists(cfg, ['train'], decode=True)) == []
    damaged = root / 'train' / 'dog' / '0.jpg'
    damaged.write_bytes(b'<html>404 Not Found</html>')
    assert list(check_image_lists(cfg, ['train'])) == []
    (finding,) = check_image_lists(cfg, ['train'], decode=True)
    assert finding.file == str(damaged)
    assert matches(finding, 'cannot be decoded')
