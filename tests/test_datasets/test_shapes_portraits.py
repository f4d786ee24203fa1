"""The generated pictures of one thing: the class is the thing alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmuniformer.datasets.shapes import (
    CLASSES,
    generate,
    generate_portraits,
    sample_portrait,
)
from mmuniformer.datasets.shapes.draw import mask_of

ROOT = Path(__file__).resolve().parents[2]
REQUEST = {'train': 12, 'val': 3, 'size': 64, 'seed': 3}
CONFIG = ROOT / 'configs/quickstart/uniformer-tiny_shapes.py'


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'shapes_cls'
    assert generate_portraits(root, **REQUEST)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.mark.parametrize('split', ['train', 'val'])
def test_classes_are_folders_and_all_alike_often(root, split):
    # A class without pictures has its folder: the numbers stay the same.
    assert {p.name for p in (root / split).iterdir()} == set(CLASSES)
    names = sorted(p.name for p in (root / split).glob('*/*.jpg'))
    number = REQUEST[split]
    assert names == [f'{i + 1:06d}.jpg' for i in range(number)]
    for place, name in enumerate(CLASSES):
        found = sorted((root / split / name).iterdir())
        assert len(found) == len(range(place, number, len(CLASSES)))
        for path in found:
            assert cv2.imread(str(path)).shape == (64, 64, 3)


@pytest.mark.parametrize('label', range(1, len(CLASSES) + 1))
def test_one_thing_of_the_class_most_of_it_in_sight(label):
    colours, centres, areas = [], [], []
    for seed in range(40):
        scene = sample_portrait(np.random.default_rng(seed), label, 64)
        (thing,) = scene.things
        assert thing.label == label
        mask = mask_of(thing.parts, 64)
        moved = [p.polygon + 64 for p in thing.parts]
        whole = np.zeros((192, 192), np.uint8)
        for polygon in moved:
            cv2.fillPoly(whole, [np.round(polygon).astype(np.int32)], 1)
        assert mask.sum() > 0.8 * whole.sum()
        colours.append(thing.parts[0].colour)
        centres.append(np.argwhere(mask).mean(0))
        areas.append(mask.sum())
    # What varies cannot tell the class.
    assert (np.std(colours, 0) > 0.15).all()
    assert (np.std(centres, 0) > 5).all()
    assert max(areas) > 2 * min(areas)


def test_same_seed_same_bytes_other_seed_others(root, tmp_path):
    generate_portraits(tmp_path / 'again', **REQUEST)
    assert contents(tmp_path / 'again') == contents(root)
    generate_portraits(tmp_path / 'few', **REQUEST | {'train': 1, 'val': 1})
    generate_portraits(tmp_path / 'other', **REQUEST | {'seed': 4})
    name = 'train/person/000001.jpg'
    same, other = (contents(tmp_path / kind) for kind in ('few', 'other'))
    assert same[name] == contents(root)[name] != other[name]
    # What is validated is not what is trained.
    assert same['val/person/000001.jpg'] != same[name]


def test_another_data_set_is_refused(root):
    with pytest.raises(FileExistsError, match='another shapes data set'):
        generate_portraits(root, **REQUEST | {'seed': 1})
    with pytest.raises(FileExistsError, match='kind=portraits'):
        generate(root, **REQUEST)
    assert not generate_portraits(root, **REQUEST)


def test_the_library_numbers_the_classes_as_the_config_names_them(root):
    pytest.importorskip('mmpretrain')
    from mmpretrain.datasets import CustomDataset

    config = Config.fromfile(CONFIG)
    settings = dict(config.train_dataloader.dataset, pipeline=[])
    del settings['type']
    dataset = CustomDataset(**settings | {'data_root': str(root)})
    assert config.model.head.num_classes == len(CLASSES)
    assert len(dataset) == REQUEST['train']
    for info in dataset:
        folder = Path(info['img_path']).parent.name
        assert dataset.metainfo['classes'][info['gt_label']] == folder
