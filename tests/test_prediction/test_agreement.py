"""What the host libraries' own Inferencers say of the same images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from predict_models import config

import mmuniformer
from mmuniformer.apis import iterate

# Of numbers from the folded backbone and from the one that was trained.
CLOSE = dict(rtol=1e-5, atol=1e-5)
# Pixels.
PLACES = dict(rtol=1e-5, atol=1e-3)
# Boxes that differ by 1e-4 of a pixel move about as large a share of the
# pixels of a contour over the threshold: of a hundred objects' one or two.
MOVED = 3


def assert_same_masks(found, want):
    """The same, up to pixels of contours that lie on the threshold."""
    differ = found != want
    assert differ.sum() <= MOVED
    square = np.ones((3, 3), np.uint8)
    for one, mask in zip(differ, want.astype(np.uint8), strict=True):
        contour = cv2.dilate(mask, square) != cv2.erode(mask, square)
        assert not (one & ~contour).any()


def test_detection(checkpoints, images):
    apis = pytest.importorskip('mmdet.apis')
    ours = mmuniformer.load(checkpoints['det'], threshold=0)
    host = apis.DetInferencer(
        config('det'), checkpoints['det'], 'cpu', show_progress=False
    )
    expected = host(images, return_datasamples=True)['predictions']
    for found, sample in zip(ours(images), expected, strict=True):
        want = sample.pred_instances.numpy()
        assert len(found) == len(want) > 5
        np.testing.assert_allclose(found.scores, want.scores, **CLOSE)
        np.testing.assert_allclose(found.boxes, want.bboxes, **PLACES)
        assert found.labels.tolist() == want.labels.tolist()
        assert_same_masks(found.masks, want.masks)
        names = [ours.classes[label] for label in want.labels]
        assert list(found.names) == names


def test_what_has_a_low_score_is_left_out(checkpoints, images):
    every = mmuniformer.load(checkpoints['det'], threshold=0)(images[0])
    threshold = float(np.median(every.scores))
    some = mmuniformer.load(checkpoints['det'], threshold=threshold)
    found = some(images[0])
    kept = every.scores >= threshold
    assert 0 < len(found) < len(every)
    np.testing.assert_array_equal(found.scores, every.scores[kept])
    np.testing.assert_array_equal(found.masks, every.masks[kept])


def test_segmentation(checkpoints, images):
    apis = pytest.importorskip('mmseg.apis')
    ours = mmuniformer.load(checkpoints['seg'])
    host = apis.MMSegInferencer(config('seg'), checkpoints['seg'])
    expected = host(images, show=False)['predictions']
    for found, want in zip(ours(images), expected, strict=True):
        assert len(found.shares()) > 1
        assert (found.labels != want).mean() < 1e-3
        assert sum(found.shares().values()) == pytest.approx(1)


def test_classification(checkpoints, images):
    apis = pytest.importorskip('mmpretrain')
    ours = mmuniformer.load(checkpoints['cls'])
    host = apis.ImageClassificationInferencer(
        config('cls'), checkpoints['cls'], 'cpu'
    )
    for found, want in zip(ours(images), host(images), strict=True):
        np.testing.assert_allclose(found.scores, want['pred_scores'], **CLOSE)
        assert found.label == want['pred_label']
        assert found.top(1) == [(found.name, found.score)]


def test_action(checkpoints, videos):
    apis = pytest.importorskip('mmaction.apis')
    ours = mmuniformer.load(checkpoints['video'])
    host = apis.init_recognizer(config('video'), checkpoints['video'], 'cpu')
    for found, video in zip(ours(videos), videos, strict=True):
        want = apis.inference_recognizer(host, video).pred_score.numpy()
        np.testing.assert_allclose(found.scores, want, **CLOSE)
        assert (found.height, found.width) == (64, 64)


@pytest.fixture
def pose_host(checkpoints):
    apis = pytest.importorskip('mmpose.apis')

    def build(detector, label=0):
        return apis.Pose2DInferencer(
            config('pose'),
            checkpoints['pose'],
            'cpu',
            det_model=detector,
            det_weights=checkpoints['det'],
            det_cat_ids=(label,),
        )

    return build


def of_host(host, image, **options):
    (answer,) = host(image, return_datasamples=True, **options)
    return answer['predictions'][0].pred_instances


def test_pose_in_whole_images(checkpoints, images, pose_host):
    ours = mmuniformer.load(checkpoints['pose'])
    host = pose_host('whole_image')
    for image in images:
        found, want = ours(image), of_host(host, image)
        assert len(found) == 1
        np.testing.assert_allclose(found.boxes, want.bboxes, **PLACES)
        np.testing.assert_allclose(found.scores, want.keypoint_scores, **CLOSE)
        np.testing.assert_allclose(found.keypoints, want.keypoints, **PLACES)
    assert found.names[:2] == ('nose', 'left_eye')
    assert len(found.links) == 19


def test_pose_with_a_detector(checkpoints, images, pose_host, tmp_path):
    """The same boxes, and of one and the same box the same skeleton.

    Boxes of the folded backbone differ by 1e-4 of a pixel, which moves what
    is cut out by a rounding of its values: scores differ by 5e-5 then, which
    says nothing of the pose model.
    """
    detector = mmuniformer.load(checkpoints['det'], threshold=0.05)
    # What a model that has learned nothing finds most.
    found = np.concatenate([detector(image).labels for image in images])
    label = int(np.bincount(found).argmax())
    ours = mmuniformer.load(
        checkpoints['pose'],
        detector=detector,
        detector_classes=[detector.classes[label]],
    )
    host = pose_host(config('det'), label)
    number = 0
    for image in images:
        found, want = ours(image), of_host(host, image, bbox_thr=0.05)
        if not len(found):
            # The Inferencer takes the whole image where it finds nobody.
            assert len(want) == 1
            continue
        number += len(found)
        np.testing.assert_allclose(found.boxes, want.bboxes, **PLACES)
        np.testing.assert_allclose(found.keypoints, want.keypoints, **PLACES)
        same = mmuniformer.load(
            checkpoints['pose'],
            threshold=0,
            boxes=write_boxes(tmp_path / 'boxes.json', image, want.bboxes),
        )(image)
        np.testing.assert_array_equal(same.boxes, want.bboxes)
        np.testing.assert_array_equal(same.keypoints, want.keypoints)
        np.testing.assert_allclose(same.scores, want.keypoint_scores, **CLOSE)
    assert number > 0


def write_boxes(file, image, boxes):
    """A file of boxes in COCO's form, each surer than the next."""
    corners = np.asarray(boxes, np.float64)
    sizes = corners[:, 2:] - corners[:, :2]
    annotations = [
        dict(
            id=number,
            image_id=1,
            category_id=1,
            bbox=[*corner.tolist(), *size.tolist()],
            score=1 - number / 1000,
        )
        for number, (corner, size) in enumerate(
            zip(corners[:, :2], sizes, strict=True), 1
        )
    ]
    content = dict(
        images=[dict(id=1, file_name=Path(image).name, width=96, height=96)],
        annotations=annotations,
        categories=[dict(id=1, name='person')],
    )
    file.write_text(json.dumps(content))
    return str(file)


@pytest.mark.parametrize('task', ['det', 'seg', 'pose', 'cls'])
def test_batches_threads_and_arrays_change_nothing(
    task, checkpoints, images, tmp_path
):
    """Also where images of two sizes come in turns."""
    wide = str(tmp_path / 'wide.png')
    cv2.imwrite(wide, cv2.resize(cv2.imread(images[1]), (128, 96)))
    paths = [images[0], wide, *images[1:], wide]
    model = mmuniformer.load(checkpoints[task])
    alone = [model(cv2.imread(path)) for path in paths]
    for workers in (0, 3):
        together = list(iterate(model, paths, 4, workers))
        assert [result.file for result in together] == paths
        for one, other in zip(alone, together, strict=True):
            same(one, other)


def same(one, other):
    for name in ('scores', 'boxes', 'labels', 'keypoints'):
        value = getattr(one, name, None)
        if value is not None:
            np.testing.assert_allclose(
                getattr(other, name), value, rtol=1e-4, atol=1e-4
            )
    if getattr(one, 'masks', None) is not None:
        assert_same_masks(other.masks, one.masks)


@pytest.mark.parametrize('task', ['det', 'seg', 'pose', 'video', 'cls'])
def test_half_precision(task, checkpoints, images, videos):
    given = (videos if task == 'video' else images)[0]
    full = mmuniformer.load(checkpoints[task], threshold=0)(given)
    half = mmuniformer.load(checkpoints[task], threshold=0, half=True)(given)
    if task == 'seg':
        assert (half.labels == full.labels).mean() > 0.9
        return
    if task == 'det':
        assert len(half) > 5
        assert half.scores[0] == pytest.approx(full.scores[0], abs=0.1)
        return
    np.testing.assert_allclose(half.scores, full.scores, atol=0.1)
    assert half.scores.dtype == np.float32


def test_backbones_are_folded(checkpoints):
    model = mmuniformer.load(checkpoints['seg'])
    assert model.loaded.net.backbone.deploy
    assert not any(
        isinstance(module, torch.nn.BatchNorm2d)
        for module in model.loaded.net.backbone.blocks1.modules()
    )
