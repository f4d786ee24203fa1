"""What the host libraries' own Inferencers say of the same images."""

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
        assert (found.masks != want.masks).mean() < 1e-4
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


def compare_poses(ours, host, images, **options):
    number = 0
    for image in images:
        found = ours(image)
        (answer,) = host(image, return_datasamples=True, **options)
        want = answer['predictions'][0].pred_instances
        if not len(found):
            # The Inferencer takes the whole image where it finds nobody.
            assert len(want) == 1
            continue
        number += len(found)
        np.testing.assert_allclose(found.boxes, want.bboxes, **PLACES)
        # Its detector's boxes differ by rounding: up to 2.4e-5 was seen.
        np.testing.assert_allclose(
            found.scores, want.keypoint_scores, atol=1e-4
        )
        # A hundredth of a pixel: places are read off the map's largest value.
        np.testing.assert_allclose(found.keypoints, want.keypoints, atol=0.01)
    return number


def test_pose_in_whole_images(checkpoints, images, pose_host):
    ours = mmuniformer.load(checkpoints['pose'])
    host = pose_host('whole_image')
    assert compare_poses(ours, host, images) == len(images)
    found = ours(images[0])
    assert found.names[:2] == ('nose', 'left_eye')
    assert len(found.links) == 19


def test_pose_with_a_detector(checkpoints, images, pose_host):
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
    assert compare_poses(ours, host, images, bbox_thr=0.05) > 0


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
    for name in ('scores', 'boxes', 'labels', 'keypoints', 'masks'):
        value = getattr(one, name, None)
        if name == 'masks' and value is not None:
            # A pixel may lie on the threshold.
            assert (getattr(other, name) != value).mean() < 1e-4
        elif value is not None:
            np.testing.assert_allclose(
                getattr(other, name), value, rtol=1e-4, atol=1e-4
            )


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
