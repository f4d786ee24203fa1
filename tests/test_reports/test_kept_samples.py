"""What a report says of predictions, beside what the hosts' metrics say.

Samples go through mmengine's evaluator with the library's own metric and with
ours, as in a test.
"""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData, PixelData
from report_pages import Page

from mmuniformer.engine.collecting import CollectSamples, scorings
from mmuniformer.reports.page import write_page
from mmuniformer.reports.predictions import prediction_section
from mmuniformer.reports.samples import (
    Samples,
    calibration_error,
    count_bins,
    write_result,
)

EVIL = '<img src=x onerror=alert(1)> $\\frac{$ 猫'


def kept(folder, library, metrics, samples, metainfo, nodes=()) -> Page:
    """The page of what the metrics got."""
    collect = CollectSamples(str(folder / 'kept'), library)
    evaluator = Evaluator([*metrics, collect])
    evaluator.dataset_meta = metainfo
    for start in range(0, len(samples), 3):
        evaluator.process(samples[start : start + 3])
    found = evaluator.evaluate(len(samples))
    config = type('Config', (), dict(test_evaluator=[*nodes, {}]))
    write_result(
        folder / 'kept',
        dict(
            library=library,
            phase='val',
            metrics=found,
            scorings=scorings(config, evaluator) if nodes else [],
        ),
    )
    section = prediction_section(Samples(folder / 'kept'), 2)
    page = Page(write_page(folder / 'page', 'x', [], [section]))
    if found:
        _, *rows = page.tables['As the library measures']
        assert [row[0] for row in rows] == list(found)
    page.metrics = found
    return page


def picture(folder, index: int, size=(48, 64)) -> str:
    path = folder / f'{index} ü.png'
    noise = np.random.default_rng(index).integers(0, 255, (*size, 3))
    cv2.imwrite(str(path), noise.astype(np.uint8))
    return str(path)


class TestClassifiers:
    @pytest.fixture
    def scores(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(60, 8))
        labels = rng.integers(0, 7, 60)
        logits[np.arange(60), labels] += rng.uniform(0, 3, 60)
        return torch.tensor(logits).float().softmax(1), labels

    def test_images(self, tmp_path, scores):
        evaluation = pytest.importorskip('mmpretrain.evaluation')
        structures = pytest.importorskip('mmpretrain.structures')
        samples = []
        for index, (score, label) in enumerate(zip(*scores, strict=True)):
            sample = structures.DataSample()
            sample.set_gt_label(int(label)).set_pred_score(score)
            sample.set_field(picture(tmp_path, index), 'img_path')
            samples.append(sample)
        names = [EVIL, *'bcdefgh']
        page = kept(
            tmp_path,
            'mmpretrain',
            [evaluation.Accuracy(topk=(1, 5))],
            samples,
            dict(classes=names),
        )
        head, values = page.tables['All classes']
        row = dict(zip(head, map(float, values), strict=True))
        metrics = page.metrics
        assert row['top-1 (%)'] == pytest.approx(
            metrics['accuracy/top1'], 1e-3
        )
        assert row['top-5 (%)'] == pytest.approx(
            metrics['accuracy/top5'], 1e-3
        )
        assert 30 < row['top-1 (%)'] < 90
        table = 'Classes, the worst first'
        shares = page.column(table, 'top-1 (%)')
        numbers = page.column(table, 'samples')
        # The last class has no sample.
        assert set(shares) == set(names[:-1])
        right = sum(float(shares[n]) * int(numbers[n]) / 100 for n in shares)
        assert 100 * right / 60 == pytest.approx(row['top-1 (%)'], 1e-2)
        bins = count_bins(
            scores[0].numpy().max(1), scores[0].numpy().argmax(1) == scores[1]
        )
        assert row['calibration error (%)'] == pytest.approx(
            100 * calibration_error(bins), 1e-3
        )
        # Confusion, precision and recall, calibration, 2 worst and 2 best.
        assert len(page.pictures) == 7
        assert EVIL in page.text

    def test_videos(self, tmp_path, scores):
        evaluation = pytest.importorskip('mmaction.evaluation')
        structures = pytest.importorskip('mmaction.structures')
        samples = []
        for score, label in zip(*scores, strict=True):
            sample = structures.ActionDataSample()
            # mmaction2 counts a class without samples as wrong.
            score = score[:7] / score[:7].sum()
            sample.set_gt_label(int(label)).set_pred_score(score)
            sample.set_field(str(tmp_path / 'gone.mp4'), 'filename')
            samples.append(sample)
        page = kept(
            tmp_path, 'mmaction', [evaluation.AccMetric()], samples, {}
        )
        head, values = page.tables['All classes']
        row = dict(zip(head, map(float, values), strict=True))
        for name, metric in (
            ('top-1 (%)', 'top1'),
            ('top-5 (%)', 'top5'),
            ('mean of classes (%)', 'mean1'),
        ):
            expected = 100 * page.metrics[f'acc/{metric}']
            assert row[name] == pytest.approx(expected, 1e-3)
        assert 'class 3' in page.column('Classes, the worst first', 'samples')
        assert 'Files of 2 more cannot be read' in page.text

    def test_many_classes(self, tmp_path):
        structures = pytest.importorskip('mmpretrain.structures')
        rng = np.random.default_rng(0)
        samples = []
        for label in rng.integers(0, 1000, 300):
            sample = structures.DataSample()
            sample.set_gt_label(int(label))
            sample.set_pred_score(torch.rand(1000).softmax(0))
            samples.append(sample)
        page = kept(tmp_path, 'mmpretrain', [], samples, {})
        assert 'the 30 of 1000 classes that are confused most' in page.text

    def test_several_labels_have_no_tables(self, tmp_path):
        structures = pytest.importorskip('mmpretrain.structures')
        sample = structures.DataSample()
        sample.set_gt_label([1, 2]).set_pred_score(torch.rand(3))
        page = kept(tmp_path, 'mmpretrain', [], [sample], {})
        assert 'or several' in page.text


def test_pixels(tmp_path):
    evaluation = pytest.importorskip('mmseg.evaluation')
    structures = pytest.importorskip('mmseg.structures')
    rng = np.random.default_rng(1)
    samples = []
    for index in range(6):
        truth = rng.integers(0, 3, (48, 64))
        logits = torch.tensor(rng.normal(size=(4, 48, 64)))
        logits.scatter_add_(
            0,
            torch.tensor(truth)[None],
            torch.full((1, 48, 64), index / 3.0).double(),
        )
        truth[:5] = 255
        sample = structures.SegDataSample(
            metainfo=dict(img_path=picture(tmp_path, index))
        )
        sample.gt_sem_seg = PixelData(data=torch.tensor(truth)[None])
        sample.pred_sem_seg = PixelData(data=logits.argmax(0)[None])
        sample.seg_logits = PixelData(data=logits)
        samples.append(sample)
    metric = evaluation.IoUMetric(iou_metrics=['mIoU'])
    page = kept(
        tmp_path,
        'mmseg',
        [metric],
        samples,
        dict(classes=('a', 'b', EVIL, 'd')),
    )
    head, values = page.tables['All classes']
    row = dict(zip(head, map(float, values), strict=True))
    assert row['pixels right (%)'] == pytest.approx(page.metrics['aAcc'], 1e-3)
    assert row['mean IoU (%)'] == pytest.approx(page.metrics['mIoU'], 1e-3)
    assert row['mean accuracy (%)'] == pytest.approx(
        page.metrics['mAcc'], 1e-3
    )
    assert 0 < row['calibration error (%)'] < 100
    table = 'Classes, the worst first'
    values = [float(v) for v in page.column(table, 'IoU (%)').values()]
    assert np.mean(values) == pytest.approx(page.metrics['mIoU'], 1e-3)
    # The order of the samples is that of their noise.
    order = [page.text.index(f'{i} ü.png') for i in (0, 1, 5, 4)]
    assert order == sorted(order)


def coco(folder, keypoints: bool = False) -> dict:
    """Annotations of four images, with a crowd, of ids that have gaps."""
    rng = np.random.default_rng(2)
    categories = [dict(id=i, name=n) for i, n in ((7, 'cat'), (42, EVIL))]
    if keypoints:
        categories = categories[:1]
    content = dict(images=[], annotations=[], categories=categories)
    for image in range(4):
        name = picture(folder, image, (100, 120))
        content['images'].append(
            dict(id=10 * image, file_name=name, height=100, width=120)
        )
        for index in range(4):
            x, y = rng.uniform(0, 60, 2)
            w, h = rng.uniform(20, 40, 2)
            annotation = dict(
                id=len(content['annotations']) + 1,
                image_id=10 * image,
                category_id=categories[index % len(categories)]['id'],
                bbox=[x, y, w, h],
                area=w * h,
                iscrowd=int(index == 3 and not keypoints),
                segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
            )
            if annotation['iscrowd']:
                annotation['segmentation'] = dict(
                    size=[100, 120], counts=[5000, 2000, 5000]
                )
            if keypoints:
                points = rng.uniform((x, y), (x + w, y + h), (17, 2))
                shown = rng.integers(0, 3, (17, 1))
                annotation['keypoints'] = np.hstack([points, shown]).flatten()
                annotation['keypoints'] = annotation['keypoints'].tolist()
                annotation['num_keypoints'] = int((shown > 0).sum())
            content['annotations'].append(annotation)
    path = folder / 'truth.json'
    path.write_text(json.dumps(content))
    return content


def test_boxes_and_masks(tmp_path):
    metrics = pytest.importorskip('mmdet.evaluation.metrics')
    structures = pytest.importorskip('mmdet.structures')
    content, rng = coco(tmp_path), np.random.default_rng(3)
    names = [c['name'] for c in content['categories']]
    labels = {7: 0, 42: 1}
    samples = []
    for image in content['images']:
        true = [
            a for a in content['annotations'] if a['image_id'] == image['id']
        ]
        boxes = np.array([a['bbox'] for a in true])
        boxes[:, 2:] += boxes[:, :2]
        boxes = np.concatenate([boxes, boxes[:2] + 30])
        boxes += rng.normal(0, 3, boxes.shape)
        classes = np.array([labels[a['category_id']] for a in true] + [0, 1])
        # One of each image is taken for the other.
        classes[0] = 1 - classes[0]
        masks = torch.zeros(len(boxes), 100, 120, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(
            masks, boxes.astype(int), strict=True
        ):
            mask[max(y1, 0) : y2, max(x1, 0) : x2] = True
        sample = structures.DetDataSample(
            metainfo=dict(
                img_id=image['id'],
                img_path=image['file_name'],
                ori_shape=(100, 120),
            )
        )
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor(boxes).float(),
            labels=torch.tensor(classes),
            scores=torch.tensor(rng.uniform(0.3, 1, len(boxes))),
            masks=masks,
        )
        samples.append(sample)
    node = dict(ann_file=str(tmp_path / 'truth.json'))
    (tmp_path / 'kept').mkdir()
    metric = metrics.CocoMetric(
        **node,
        metric=['bbox', 'segm'],
        outfile_prefix=str(tmp_path / 'kept' / 'scored-0'),
    )
    page = kept(
        tmp_path, 'mmdet', [metric], samples, dict(classes=names), [node]
    )
    for kind in ('bbox', 'segm'):
        for column, name in (
            ('AP', 'mAP'),
            ('AP50', 'mAP_50'),
            ('AP75', 'mAP_75'),
            ('AP medium', 'mAP_m'),
        ):
            value = page.metrics[f'coco/{kind}_{name}']
            told = float(page.column('All classes', column)[kind])
            assert told == pytest.approx(value, abs=6e-4)
            assert 0.05 < told < 1
        table = f'Classes by {kind}, the worst first'
        each = [float(v) for v in page.column(table, 'AP').values()]
        assert len(each) == 2
        mean = page.metrics[f'coco/{kind}_mAP']
        assert np.mean(each) == pytest.approx(mean, abs=6e-4)
        assert set(page.column(table, 'objects').values()) <= {'8', '4'}
    rows = page.tables['Confused most'][1:]
    taken = {tuple(row[:2]): int(row[2]) for row in rows}
    # The first of each image, and what was found where nothing is.
    assert taken['cat', EVIL] >= 2
    assert ('background', 'cat') in taken or ('background', EVIL) in taken
    assert len(page.pictures) == 3 + 4


def test_nothing_found(tmp_path):
    metrics = pytest.importorskip('mmdet.evaluation.metrics')
    structures = pytest.importorskip('mmdet.structures')
    content = coco(tmp_path)
    sample = structures.DetDataSample(
        metainfo=dict(img_id=0, img_path='', ori_shape=(100, 120))
    )
    sample.pred_instances = InstanceData(
        bboxes=torch.zeros(0, 4),
        labels=torch.zeros(0, dtype=torch.long),
        scores=torch.zeros(0),
    )
    node = dict(ann_file=str(tmp_path / 'truth.json'))
    (tmp_path / 'kept').mkdir()
    metric = metrics.CocoMetric(
        **node, outfile_prefix=str(tmp_path / 'kept' / 'scored-0')
    )
    names = [c['name'] for c in content['categories']]
    collect = CollectSamples(str(tmp_path / 'kept'), 'mmdet')
    evaluator = Evaluator([metric, collect])
    evaluator.dataset_meta = dict(classes=names)
    evaluator.process([sample])
    evaluator.evaluate(1)
    config = type('Config', (), dict(test_evaluator=[node, {}]))
    write_result(
        tmp_path / 'kept',
        dict(
            library='mmdet',
            phase='val',
            metrics={},
            scorings=scorings(config, evaluator),
        ),
    )
    section = prediction_section(Samples(tmp_path / 'kept'), 2)
    assert 'found nothing' in section.items[0].note


def test_keypoints(tmp_path):
    metrics = pytest.importorskip('mmpose.evaluation.metrics')
    structures = pytest.importorskip('mmpose.structures')
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    content, rng = coco(tmp_path, keypoints=True), np.random.default_rng(4)
    metainfo = parse_pose_metainfo(
        dict(from_file='configs/_base_/datasets/coco.py')
    )
    files = {i['id']: i['file_name'] for i in content['images']}
    samples = []
    for annotation in content['annotations']:
        points = np.reshape(annotation['keypoints'], (1, 17, 3))[..., :2]
        sample = structures.PoseDataSample(
            metainfo=dict(
                id=annotation['id'],
                img_id=annotation['image_id'],
                img_path=files[annotation['image_id']],
                category_id=7,
            )
        )
        x, y, w, h = annotation['bbox']
        sample.gt_instances = InstanceData(
            bbox_scores=np.ones(1), bboxes=np.array([[x, y, x + w, y + h]])
        )
        # Images have more and more noise.
        noise = 0.5 + annotation['image_id'] / 10
        sample.pred_instances = InstanceData(
            keypoints=points + rng.normal(0, noise, points.shape),
            keypoint_scores=rng.uniform(0.5, 1, (1, 17)),
        )
        samples.append(sample)
    node = dict(ann_file=str(tmp_path / 'truth.json'))
    (tmp_path / 'kept').mkdir()
    metric = metrics.CocoMetric(
        **node, outfile_prefix=str(tmp_path / 'kept' / 'scored-0')
    )
    page = kept(tmp_path, 'mmpose', [metric], samples, metainfo, [node])
    head, values = page.tables['Average precision']
    row = dict(zip(head, values, strict=True))
    for column, name in (('AP', 'AP'), ('AP50', 'AP .5'), ('AR', 'AR')):
        told = page.metrics[f'coco/{name}']
        assert float(row[column]) == pytest.approx(told, abs=6e-4)
        assert 0.05 < told < 1
    near = page.column('Keypoints, the worst first', 'within 0.2 (%)')
    assert 'left_knee' in near
    assert len(near) == 17
    assert all(50 < float(value) <= 100 for value in near.values())
    order = [page.text.index(f'{i} ü.png') for i in (3, 2, 0, 1)]
    assert order == sorted(order)
