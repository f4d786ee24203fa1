"""The generated data set: all formats agree, and so do all runs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from pycocotools.coco import COCO

from mmuniformer.datasets.shapes import CLASSES, build, generate, sample_scene
from mmuniformer.datasets.shapes.coco import polygons_of
from mmuniformer.datasets.shapes.draw import owner_map

ROOT = Path(__file__).resolve().parents[2]
SIZE = 96
COUNTS = {'train': 12, 'val': 4}


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'shapes'
    assert generate(root, **COUNTS, size=SIZE, seed=3)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def coco(root: Path, kind: str, split: str) -> COCO:
    return COCO(str(root / 'annotations' / f'{kind}_{split}.json'))


@pytest.mark.parametrize('split', COUNTS)
def test_instances_agree_with_each_other_and_the_semantic_map(root, split):
    instances = coco(root, 'instances', split)
    assert len(instances.imgs) == COUNTS[split]
    for image_id, image in instances.imgs.items():
        name = image['file_name']
        picture = cv2.imread(str(root / 'images' / split / name))
        assert picture.shape == (SIZE, SIZE, 3)
        labels = cv2.imread(
            str(root / 'segmentation' / split / name.replace('jpg', 'png')),
            cv2.IMREAD_UNCHANGED,
        )
        annotations = instances.loadAnns(instances.getAnnIds(image_id))
        assert annotations
        union = np.zeros((SIZE, SIZE), np.uint8)
        for annotation in annotations:
            mask = instances.annToMask(annotation).astype(bool)
            assert mask.sum() == pytest.approx(annotation['area'], rel=0.02)
            assert annotation['bbox'] == pytest.approx(
                cv2.boundingRect(mask.astype(np.uint8)), abs=1
            )
            assert not union[mask].any(), 'visible parts overlap'
            union[mask] = annotation['category_id']
        assert (union == labels).mean() > 0.999


@pytest.mark.parametrize('split', COUNTS)
def test_keypoints_belong_to_the_person_instances(root, split):
    instances = coco(root, 'instances', split)
    people = coco(root, 'person_keypoints', split)
    assert people.imgs == instances.imgs
    ids = instances.getAnnIds(catIds=[CLASSES.index('person') + 1])
    assert sorted(people.anns) == sorted(ids) != []
    seen = set()
    for identity, annotation in people.anns.items():
        for key in ('bbox', 'area', 'segmentation', 'image_id'):
            assert annotation[key] == instances.anns[identity][key]
        x, y, visible = np.reshape(annotation['keypoints'], (17, 3)).T
        known = visible > 0
        assert annotation['num_keypoints'] == known.sum()
        assert ((x >= 0) & (x < SIZE) & (y >= 0) & (y < SIZE)).all()
        assert not x[~known].any()
        assert not y[~known].any()
        # A visible point lies on the figure, a hidden one does not.
        mask = people.annToMask(annotation).astype(bool)
        on_figure = mask[y.astype(int), x.astype(int)]
        assert on_figure[visible == 2].all()
        assert not on_figure[visible == 1].any()
        seen |= set(visible.astype(int))
    if split == 'train':
        assert seen == {0, 1, 2}


def test_all_classes_and_occlusion_occur():
    labels, hidden = set(), 0
    for index in range(20):
        scene = sample_scene(np.random.default_rng(index), 128)
        owner = owner_map(scene)
        labels |= {thing.label for thing in scene.things}
        alone = sum(
            (owner_map(type(scene)(128, None, None, (thing,))) > 0).sum()
            for thing in scene.things
        )
        hidden += alone > (owner > 0).sum()
    assert labels == set(range(1, len(CLASSES) + 1))
    assert hidden >= 5


def test_polygons_of_two_pieces_follow_pixel_edges():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 3:9] = mask[10:19, 12:20] = True
    polygons = polygons_of(mask)
    corners = sorted(
        tuple(np.reshape(polygon, (-1, 2)).min(0).round())
        for polygon in polygons
    )
    assert corners == [(3, 2), (12, 10)]


def test_same_seed_same_bytes_other_seed_other_bytes(root, tmp_path):
    generate(tmp_path / 'again', **COUNTS, size=SIZE, seed=3)
    assert contents(tmp_path / 'again') == contents(root)
    generate(tmp_path / 'other', train=1, val=1, size=SIZE, seed=4)
    name = 'images/train/000001.jpg'
    assert contents(tmp_path / 'other')[name] != contents(root)[name]


def test_pictures_do_not_depend_on_their_number(root, tmp_path):
    generate(tmp_path / 'few', train=2, val=1, size=SIZE, seed=3)
    few, many = contents(tmp_path / 'few'), contents(root)
    pictures = [name for name in few if name.endswith(('.jpg', '.png'))]
    assert len(pictures) == 6
    assert all(few[name] == many[name] for name in pictures)


def test_a_finished_data_set_is_kept_and_another_is_refused(tmp_path):
    out = tmp_path / 'shapes'
    request = {'train': 1, 'val': 1, 'size': 64}
    assert generate(out, **request)
    before = contents(out)
    (out / 'images/val/000001.jpg').touch()
    assert not generate(out, **request)
    with pytest.raises(FileExistsError, match='another shapes data set'):
        generate(out, **request, seed=1)
    assert contents(out) == before
    assert generate(out, **request, seed=1, force=True)
    assert contents(out) != before


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(FileExistsError, match='not a shapes data set'):
        generate(tmp_path, train=1, val=1, size=64, force=True)
    assert (tmp_path / 'thesis.tex').read_text() == 'years of work'


@pytest.mark.parametrize('old', [False, True])
def test_interruption_leaves_what_was_there(tmp_path, monkeypatch, old):
    out = tmp_path / 'shapes'
    request = {'train': 2, 'val': 1, 'size': 64}
    if old:
        generate(out, **request)
    before = contents(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, 'keypoints_file', stop)
    with pytest.raises(KeyboardInterrupt):
        generate(out, **request, seed=1, force=old)
    assert contents(tmp_path) == before
    assert out.exists() == old
    assert [path.name for path in tmp_path.iterdir()] == ['shapes'] * old


@pytest.mark.parametrize(
    ('name', 'value'), [('train', 0), ('val', -1), ('size', 63), ('seed', -1)]
)
def test_bad_arguments_are_named(tmp_path, name, value):
    with pytest.raises(ValueError, match=f'{name} must be at least'):
        generate(tmp_path / 'shapes', **{name: value})
    assert not (tmp_path / 'shapes').exists()


def test_mmpose_reads_the_keypoints(root):
    pytest.importorskip('mmpose')
    from mmpose.datasets import CocoDataset

    dataset = CocoDataset(
        ann_file='annotations/person_keypoints_train.json',
        data_root=str(root),
        data_prefix={'img': 'images/train/'},
    )
    annotations = json.loads(
        (root / 'annotations/person_keypoints_train.json').read_text()
    )['annotations']
    assert len(dataset) == len(annotations)
    first = dataset.get_data_info(0)
    assert first['keypoints'].shape == (1, 17, 2)


def test_mmseg_reads_the_semantic_maps(root):
    pytest.importorskip('mmseg')
    from mmseg.datasets import BaseSegDataset
    from mmseg.datasets.transforms import LoadAnnotations

    dataset = BaseSegDataset(
        data_root=str(root),
        data_prefix={
            'img_path': 'images/val',
            'seg_map_path': 'segmentation/val',
        },
        metainfo={'classes': ('background', *CLASSES)},
    )
    assert len(dataset) == COUNTS['val']
    labels = LoadAnnotations()(dataset[0])['gt_seg_map']
    assert labels.shape == (SIZE, SIZE)
    assert labels.max() <= len(CLASSES)


def test_the_config_names_the_classes_of_the_files():
    path = ROOT / 'configs/_base_/datasets/shapes_instance.py'
    config = Config.fromfile(path)
    assert config.metainfo.classes == CLASSES
    assert len(config.metainfo.palette) == len(CLASSES)
