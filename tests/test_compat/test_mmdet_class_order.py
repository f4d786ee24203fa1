"""What a class means from a file to the labels, and from labels to an AP."""

import json
from pathlib import Path

import pytest
import torch

from mmuniformer.datasets.shapes import generate

pytest.importorskip('mmdet')
ORDERS = [slice(None), slice(None, None, -1)]


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('order') / 'shapes'
    generate(folder, train=12, val=1, size=96)
    return folder


@pytest.fixture(scope='module')
def file(shapes) -> Path:
    return shapes / 'annotations' / 'instances_train.json'


def names_of(file: Path) -> list[str]:
    return [c['name'] for c in json.loads(file.read_text())['categories']]


def data_of(file: Path, classes, kind=None, **keys):
    from mmdet.datasets import CocoDataset

    images = Path('images', 'train')
    return (kind or CocoDataset)(
        ann_file=str(file),
        data_prefix=dict(img=str(file.parents[1] / images)),
        metainfo=dict(classes=tuple(classes)),
        **keys,
    )


def rewritten(file: Path, to: Path, change) -> Path:
    content = json.loads(file.read_text())
    change(content)
    to.write_text(json.dumps(content))
    return to


def counted(file: Path) -> dict[str, int]:
    """Boxes of each name, counted from the file."""
    content = json.loads(file.read_text())
    names = {c['id']: c['name'] for c in content['categories']}
    numbers = dict.fromkeys(names.values(), 0)
    for annotation in content['annotations']:
        numbers[names[annotation['category_id']]] += 1
    return numbers


def labelled(data) -> dict[str, int]:
    """Boxes of each name, counted from the labels of a data set."""
    classes = data.metainfo['classes']
    numbers = dict.fromkeys(classes, 0)
    for index in range(len(data)):
        for label in data.get_cat_ids(index):
            numbers[classes[label]] += 1
    return numbers


@pytest.mark.parametrize('order', ORDERS, ids=['as in the file', 'reversed'])
def test_labels_follow_classes(file, order):
    classes = names_of(file)[order]
    assert labelled(data_of(file, classes)) == counted(file)


def test_labels_of_a_pipeline_follow_classes(file):
    from mmdet.datasets.transforms import LoadAnnotations

    classes = names_of(file)[::-1]
    data = data_of(file, classes, pipeline=[])
    numbers = dict.fromkeys(classes, 0)
    for index in range(len(data)):
        sample = LoadAnnotations(with_bbox=True)(data[index])
        for label in sample['gt_bboxes_labels']:
            numbers[classes[label]] += 1
    assert numbers == counted(file)


def scores(file: Path, classes, found: set[str], **keys) -> dict[str, float]:
    """AP of a detector that finds some classes, each box as it is."""
    from mmdet.evaluation import CocoMetric

    data = data_of(file, classes, test_mode=True)
    metric = CocoMetric(ann_file=str(file), classwise=True, **keys)
    metric.dataset_meta = data.metainfo
    for index in range(len(data)):
        info = data.get_data_info(index)
        boxes = [
            (i['bbox'], i['bbox_label'])
            for i in info['instances']
            if data.metainfo['classes'][i['bbox_label']] in found
        ]
        metric.process(
            {},
            [
                dict(
                    img_id=info['img_id'],
                    ori_shape=(info['height'], info['width']),
                    pred_instances=dict(
                        bboxes=torch.tensor([box for box, _ in boxes]).reshape(
                            -1, 4
                        ),
                        scores=torch.ones(len(boxes)),
                        labels=torch.tensor(
                            [label for _, label in boxes], dtype=torch.long
                        ),
                    ),
                )
            ],
        )
    results = metric.results
    values = metric.compute_metrics(results)
    # A second validation maps labels like the first.
    again = metric.compute_metrics(results)
    assert again == pytest.approx(values, abs=0, nan_ok=True)
    return values


@pytest.mark.parametrize('order', ORDERS, ids=['as in the file', 'reversed'])
def test_an_ap_belongs_to_its_class(file, order):
    names = names_of(file)
    values = scores(file, names[order], {'circle', 'square'})
    precisions = {name: values[f'{name}_precision'] for name in names}
    perfect = {name for name, ap in precisions.items() if ap > 0.99}
    assert perfect == {'circle', 'square'}
    assert values['bbox_mAP'] == pytest.approx(2 / 6, abs=0.005)


def test_the_order_changes_no_ap(file):
    names = names_of(file)
    assert scores(file, names, {'circle', 'person'}) == scores(
        file, names[::-1], {'circle', 'person'}
    )


def test_some_classes_in_another_order(file):
    data = data_of(file, ('star', 'circle'))
    assert labelled(data) == {
        name: counted(file)[name] for name in ('star', 'circle')
    }
    values = scores(file, ('star', 'circle'), {'star', 'circle'})
    assert values['bbox_mAP'] > 0.99


def test_a_name_that_the_file_lacks_moves_no_other(file):
    classes = ['ellipse', *names_of(file)[::-1]]
    expected = {'ellipse': 0, **counted(file)}
    assert labelled(data_of(file, classes)) == expected
    values = scores(file, classes, {'circle'})
    # The class without objects has no AP and counts for none.
    assert values['ellipse_precision'] != values['ellipse_precision']
    assert values['bbox_mAP'] == pytest.approx(1 / 6, abs=0.005)


def test_a_name_that_the_file_has_twice_is_one_class(file, tmp_path):
    expected = counted(file)

    def split(content):
        (circle,) = (c for c in content['categories'] if c['name'] == 'circle')
        content['categories'].insert(0, dict(circle, id=99))
        mine = [
            a
            for a in content['annotations']
            if a['category_id'] == circle['id']
        ]
        for annotation in mine[::2]:
            annotation['category_id'] = 99

    twice = rewritten(file, tmp_path / 'instances_train.json', split)
    data = data_of(twice, names_of(file), data_root=str(file.parents[1]))
    assert labelled(data) == expected
    assert scores(twice, names_of(file), set(expected))['bbox_mAP'] > 0.99


def test_predictions_are_written_with_the_ids_of_the_file(file, tmp_path):
    prefix = tmp_path / 'found'
    scores(file, names_of(file)[::-1], {'cross'}, outfile_prefix=str(prefix))
    content = json.loads(file.read_text())
    (cross,) = (c for c in content['categories'] if c['name'] == 'cross')
    found = json.loads(Path(f'{prefix}.bbox.json').read_text())
    assert {box['category_id'] for box in found} == {cross['id']}


def test_objects365_and_videos(file):
    from mmdet.datasets import Objects365V1Dataset
    from mmdet.datasets.base_video_dataset import BaseVideoDataset

    classes = names_of(file)[::-1]
    data = data_of(file, classes, kind=Objects365V1Dataset)
    assert labelled(data) == counted(file)
    video = data_of(file, classes, kind=BaseVideoDataset)
    content = json.loads(file.read_text())
    assert {
        c['id']: classes[video.cat2label[c['id']]]
        for c in content['categories']
    } == {c['id']: c['name'] for c in content['categories']}


def test_balancing_counts_labels(file):
    from mmengine.dataset import ClassBalancedDataset

    names = names_of(file)
    repeats = [
        ClassBalancedDataset(data_of(file, classes), oversample_thr=0.9)
        for classes in (names, names[::-1])
    ]
    assert repeats[0].repeat_indices == repeats[1].repeat_indices


@pytest.fixture
def panoptic(tmp_path) -> Path:
    """One image with two things and stuff; the file has the stuff first."""
    categories = [(3, 'sky', 0), (7, 'dog', 1), (5, 'cat', 1)]
    segments = [
        dict(id=i + 1, category_id=c, area=100, iscrowd=0, bbox=[0, 0, 9, 9])
        for i, (c, _, _) in enumerate(categories)
    ]
    path = tmp_path / 'panoptic.json'
    path.write_text(
        json.dumps(
            dict(
                images=[dict(id=1, file_name='1.jpg', height=20, width=20)],
                annotations=[
                    dict(image_id=1, file_name='1.png', segments_info=segments)
                ],
                categories=[
                    dict(id=i, name=name, isthing=thing)
                    for i, name, thing in categories
                ],
            )
        )
    )
    return path


def test_panoptic_labels_follow_classes(panoptic):
    from mmdet.datasets import CocoPanopticDataset

    classes = ('cat', 'dog', 'sky')
    data = CocoPanopticDataset(
        ann_file=str(panoptic),
        data_prefix=dict(img='', seg=''),
        metainfo=dict(
            classes=classes,
            thing_classes=classes[:2],
            stuff_classes=classes[2:],
        ),
    )
    segments = data.get_data_info(0)['segments_info']
    assert [classes[s['category']] for s in segments] == ['sky', 'dog', 'cat']
    assert [s['is_thing'] for s in segments] == [0, 1, 1]


def test_the_table_of_panoptic_quality_has_the_order_of_classes(panoptic):
    from mmdet.datasets.api_wrappers import COCOPanoptic

    coco = COCOPanoptic(str(panoptic))
    categories = coco.cats
    assert coco.get_cat_ids(['cat', 'dog', 'grass', 'sky']) == [5, 7, -1, 3]
    assert [c['name'] for c in categories.values()] == [
        'cat',
        'dog',
        'grass',
        'sky',
    ]
    assert all('isthing' in c for c in categories.values())


def test_without_names_the_file_decides(file):
    from mmdet.datasets.api_wrappers import COCO

    coco = COCO(str(file))
    ids = [c['id'] for c in json.loads(file.read_text())['categories']]
    assert coco.get_cat_ids() == ids
    assert coco.get_cat_ids(cat_ids=ids[1:]) == ids[1:]
    # pycocotools would take every name that is part of the text.
    assert coco.get_cat_ids('star') == [ids[names_of(file).index('star')]]
