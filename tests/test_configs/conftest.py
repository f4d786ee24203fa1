"""Small data, reduced configs, and what comes out of running them."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import mmengine
import pytest
import reduction
import small_data
from mmengine import Config
from programs import Outcome, once, run
from small_data import (
    ClassData,
    CocoData,
    KeypointData,
    SemanticData,
    VideoData,
)
from yapf.yapflib import yapf_api

read_once = cache(mmengine.config.utils.load)
look_once = cache(mmengine.config.config.is_installed)


def leave_as_it_is(text: str, **_) -> tuple[str, bool]:
    return text, True


@pytest.fixture(scope='session')
def shapes(shared) -> Path:
    """Generated images with annotations of every kind."""
    root = shared / 'shapes'
    return once(root, lambda: small_data.make_shapes(root))


@pytest.fixture(scope='session')
def coco_data(request) -> CocoData:
    """Images with boxes and polygons."""
    real = small_data.real_data('coco-mini')
    if real:
        return CocoData(real, 'person_keypoints.json', 'images/')
    return small_data.shapes_instances(request.getfixturevalue('shapes'))


@pytest.fixture(scope='session')
def semantic_data(request) -> SemanticData:
    """Images with maps of labels: real ones have people on them."""
    real = small_data.real_data('coco-mini')
    if real:
        prefix = dict(img_path='images', seg_map_path='segmentation')
        return SemanticData(real, prefix, ('background', 'person'))
    return small_data.shapes_labels(request.getfixturevalue('shapes'))


@pytest.fixture(scope='session')
def keypoint_data(request) -> KeypointData:
    """Images of people with keypoints, or of generated figures."""
    real = small_data.real_data('coco-mini')
    if real:
        boxes = str(real / 'person_detections.json')
        return KeypointData(real, 'person_keypoints.json', 'images/', boxes)
    return small_data.shapes_keypoints(request.getfixturevalue('shapes'))


@pytest.fixture(scope='session')
def class_data(shared, request) -> ClassData:
    """Images with classes and label maps."""
    root = shared / 'classes'
    real = small_data.real_data('coco-mini')
    folder = (
        real / 'images'
        if real
        else request.getfixturevalue('shapes') / 'images/train'
    )
    images = sorted(folder.iterdir())
    once(root, lambda: small_data.make_classes(root, images))
    return ClassData(root)


@pytest.fixture(scope='session')
def video_data(shared) -> VideoData:
    """Videos, and folders of their frames."""
    root = shared / 'videos'

    def make() -> None:
        root.mkdir()
        small_data.make_videos(root)

    return small_data.videos(once(root, make))


@pytest.fixture(autouse=True, scope='module')
def quick_configs():
    """Reads the index of a library once, and leaves text as it is.

    mmengine reads all metafiles of a library for each base config that a
    config takes from it, and formats the text of a config five times a run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mmengine.config.utils, 'load', read_once)
        patch.setattr(mmengine.config.config, 'is_installed', look_once)
        # Bound when mmengine is imported, or found there by each call.
        for module in (mmengine.config.config, yapf_api):
            patch.setattr(module, 'FormatCode', leave_as_it_is, raising=False)
        yield


@pytest.fixture
def reduced(coco_data) -> Callable[[Config], Config]:
    """Makes a detection config one step of training and of evaluation."""
    return partial(reduction.reduce_detector, data=coco_data)


@pytest.fixture
def reduced_segmentor(semantic_data) -> Callable[[Config], Config]:
    """Does to a segmentation config what `reduced` does to a detector's."""
    return partial(reduction.reduce_segmentor, data=semantic_data)


@pytest.fixture
def reduced_estimator(keypoint_data) -> Callable[[Config], Config]:
    """Does to a pose config what `reduced` does to a detector's."""
    return partial(reduction.reduce_estimator, data=keypoint_data)


@pytest.fixture
def reduced_recognizer(video_data) -> Callable[[Config], Config]:
    """Does to a video config what `reduced` does to a detector's."""
    return partial(reduction.reduce_recognizer, data=video_data)


@pytest.fixture
def reduced_classifier(class_data) -> Callable[[Config], Config]:
    """Does to an image classifier what `reduced` does to a detector."""
    return partial(reduction.reduce_classifier, data=class_data)


@pytest.fixture
def outcome(shared) -> Callable[[Config], Outcome]:
    """Trains and tests a reduced config, unless an equal one has been."""
    folder = shared / 'programs'
    folder.mkdir(exist_ok=True)
    return partial(run, folder=folder)
