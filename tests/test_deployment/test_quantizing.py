"""8 bits: ``mmuniformer export --dtype int8``."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import predict_models
import pytest
import torch

from mmuniformer.apis import export
from mmuniformer.datasets.shapes import render, sample_scene
from mmuniformer.deployment import calibration, open_exported
from mmuniformer.deployment.calibration import Calibration
from mmuniformer.deployment.formats.packages import unreported
from mmuniformer.deployment.networks import network_of
from mmuniformer.deployment.quantizing import _decoders, quantize
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import load_model

pytest.importorskip('nncf')
IMAGES = 12
# Height and width of what a shapes model gets, by task.
SIZES = dict(det=(160, 160), seg=(96, 96), pose=(128, 96), cls=(64, 64))


def drawn(number: int, seed: int = 0) -> np.ndarray:
    """RGB images of shapes, reddish, greenish and bluish in turn."""
    rng = np.random.default_rng(seed)
    images = []
    for index in range(number):
        tint = np.full(3, 0.5)
        tint[index % 3] = 1
        images.append(render(sample_scene(rng, 64), rng) * tint)
    return np.stack(images).astype(np.uint8)


def draw(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(drawn(number)):
        path = folder / f'{index:02}.png'
        cv2.imwrite(str(path), image[..., ::-1])


def trained(folder: Path) -> str:
    """A classifier of tints: least squares on features of seeded weights."""
    path = predict_models.checkpoint('cls', folder)
    network = network_of(load_model(path))
    pixels = torch.from_numpy(drawn(60, seed=1))
    with torch.no_grad():
        *_, maps = network.net.extract_feat(network.normalise(pixels))
    features = torch.cat((maps, torch.ones(len(maps), 1)), 1)
    wanted = torch.full((len(maps), 6), -4.0)
    wanted[torch.arange(len(maps)), torch.arange(len(maps)) % 3] = 4
    # With as many features as images, the fit would be exact, and fragile.
    square = features.T @ features + 0.1 * torch.eye(features.shape[1])
    fitted = torch.linalg.solve(square, features.T @ wanted)
    content = torch.load(path, weights_only=False)
    content['state_dict'] |= {
        'head.fc.weight': fitted[:-1].T.contiguous(),
        'head.fc.bias': fitted[-1],
    }
    torch.save(content, path)
    return path


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('calibration')
    draw(folder, IMAGES)
    return folder


@pytest.fixture(scope='module')
def files(tmp_path_factory, images) -> dict[str, Path]:
    pytest.importorskip('mmpretrain')
    folder = tmp_path_factory.mktemp('exported')
    weights = trained(folder)
    exported = {}
    for dtype in ('float32', 'int8'):
        done = export(
            predict_models.config('cls'),
            weights,
            str(folder / f'{dtype}.xml'),
            dtype=dtype,
            calibrate=str(images) if dtype == 'int8' else None,
        )
        assert done.is_good
        exported[dtype] = done.path
    return exported


class TestClassifier:
    def test_the_file_is_a_quarter(self, files):
        whole, small = (
            files[dtype].with_suffix('.bin').stat().st_size
            for dtype in ('float32', 'int8')
        )
        assert small < 0.35 * whole

    def test_it_says_what_it_is(self, files):
        about = open_exported(files['int8']).about
        assert about['dtype'] == 'int8'
        assert about['calibration_images'] == IMAGES

    def test_classes_are_the_same(self, files):
        images = drawn(60, seed=2)
        scores, rounded = (
            open_exported(files[dtype])(images)['scores']
            for dtype in ('float32', 'int8')
        )
        right = scores.argmax(1) == np.arange(60) % 3
        assert right.mean() > 0.7
        assert (scores.argmax(1) == rounded.argmax(1)).mean() > 0.9
        # It was changed: what is compared is not the same file.
        assert 1e-4 < np.abs(scores - rounded).max() < 0.5

    def test_convolutions_are_in_8_bits_and_softmax_is_not(self, files):
        openvino = pytest.importorskip('openvino')
        model = openvino.Core().read_model(files['int8'])
        rounded = {
            target.get_node().get_type_name()
            for node in model.get_ops()
            if node.get_type_name() == 'FakeQuantize'
            for target in node.output(0).get_target_inputs()
        }
        assert {'Convolution', 'MatMul'} <= rounded
        assert not {'Softmax', 'MVN', 'Gelu'} & rounded


def test_what_is_computed_from_results_stays_in_float():
    openvino = pytest.importorskip('openvino')
    ops = openvino.opset13
    image = ops.parameter([1, 3, 8, 8], np.float32, name='image')
    weight = np.ones((2, 3, 1, 1), np.float32)
    places = dict(
        strides=[1, 1], pads_begin=[0, 0], pads_end=[0, 0], dilations=[1, 1]
    )
    heatmaps = ops.convolution(image, ops.constant(weight), **places)
    smooth = ops.convolution(
        ops.relu(heatmaps),
        ops.constant(np.ones((2, 2, 1, 1), np.float32)),
        **places,
    )
    smooth.set_friendly_name('smooth')
    model = openvino.Model([heatmaps, smooth], [image])
    assert list(_decoders(model)) == ['smooth']


def test_all_images_are_used():
    openvino = pytest.importorskip('openvino')
    ops = openvino.opset13
    image = ops.parameter([1, 3, 8, 8], np.float32, name='image')
    weight = ops.constant(np.ones((2, 3, 1, 1), np.float32))
    maps = ops.convolution(
        image,
        weight,
        strides=[1, 1],
        pads_begin=[0, 0],
        pads_end=[0, 0],
        dilations=[1, 1],
    )
    seen = set()

    class Images:
        def __len__(self):
            return 310

        def __iter__(self):
            for index in range(len(self)):
                seen.add(index)
                yield np.full((1, 3, 8, 8), index, np.float32)

    quantize(openvino.Model([maps], [image]), Images())
    assert len(seen) == 310


@pytest.mark.parametrize('task', ['det', 'seg', 'pose', 'cls'])
def test_images_are_those_of_the_test_pipeline(task, tmp_path):
    """In RGB, as pixels are in the file."""
    loaded = load_model(predict_models.checkpoint(task, tmp_path))
    folder = tmp_path / 'images'
    folder.mkdir()
    red = np.zeros((96, 96, 3), np.uint8)
    red[..., 2] = 250
    cv2.imwrite(str(folder / 'red.png'), red)
    (image,) = Calibration(loaded, str(folder))
    assert image.dtype == np.uint8
    assert image.shape == (1, *SIZES[task], 3)
    assert image[0, 32, 32].tolist() == [250, 0, 0]


def test_clips_of_videos(tmp_path):
    predict_models.make_videos(tmp_path / 'videos')
    (tmp_path / 'videos' / 'beside.png').write_bytes(b'')
    loaded = load_model(predict_models.checkpoint('video', tmp_path))
    clips = list(Calibration(loaded, str(tmp_path / 'videos'), most=2))
    assert len(clips) == 2
    for clip in clips:
        assert clip.shape[:2] == (1, 8)
        assert clip.shape[-1] == 3
        assert clip.dtype == np.uint8


def test_boxes_of_a_pose_model(tmp_path):
    """One of each image, in turn; who has none is left out."""
    folder = tmp_path / 'images'
    folder.mkdir()
    halves = np.zeros((96, 96, 3), np.uint8)
    halves[:, 48:] = 250
    for name in 'abc':
        cv2.imwrite(str(folder / f'{name}.png'), halves)
    boxes = [[0, 0, 40, 96], [56, 0, 40, 96]]
    content = dict(
        images=[dict(id=i, file_name=f'{n}.png') for i, n in enumerate('ab')],
        annotations=[
            dict(image_id=image, bbox=box) for image in (0, 1) for box in boxes
        ],
    )
    file = tmp_path / 'boxes.json'
    file.write_text(json.dumps(content))
    loaded = load_model(predict_models.checkpoint('pose', tmp_path))
    chosen = Calibration(loaded, str(folder), boxes=str(file))
    dark, bright = chosen
    assert dark[0, 64, 30:50].max() == 0
    assert bright[0, 64, 46:66].min() == 250
    assert len(chosen) == 2
    assert list(chosen.unreadable) == [str(folder / 'c.png')]


class TestFolder:
    @pytest.fixture
    def loaded(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp('weights')
        return load_model(predict_models.checkpoint('cls', folder))

    @pytest.fixture
    def told(self, monkeypatch):
        lines = []
        monkeypatch.setattr(
            calibration, 'print_log', lambda line, **_: lines.append(line)
        )
        return lines

    def test_as_many_as_are_asked_for_from_all_over(self, loaded, images):
        chosen = Calibration(loaded, str(images), most=4)
        names = [Path(source.file).stem for source in chosen._sources]
        assert names == ['00', '03', '06', '09']
        assert len(chosen) == len(list(chosen)) == 4

    def test_few_are_a_warning(self, loaded, tmp_path, told):
        draw(tmp_path, 3)
        Calibration(loaded, str(tmp_path))
        assert len(told) == 1
        assert 'few images (3)' in told[0]

    def test_an_unreadable_one_is_left_out(self, loaded, tmp_path, told):
        draw(tmp_path, 11)
        (tmp_path / '05.png').write_bytes(b'no image')
        chosen = Calibration(loaded, str(tmp_path))
        assert not told
        for _ in range(2):
            assert len(list(chosen)) == len(chosen) == 10
        (line,) = told
        assert line.startswith('cannot read the image')
        assert '05.png' in line

    def test_of_a_file_for_one_size(self, loaded, tmp_path, told):
        draw(tmp_path, 1)
        shape = (1, 64, 64, 3)
        assert len(list(Calibration(loaded, str(tmp_path), shape=shape))) == 1
        other = Calibration(loaded, str(tmp_path), shape=(1, 64, 96, 3))
        with pytest.raises(UserError, match='and the file takes'):
            list(other)

    def test_boxes_are_for_pose_models(self, loaded, images, tmp_path):
        with pytest.raises(UserError, match='--boxes is for top-down'):
            Calibration(loaded, str(images), boxes='boxes.json')

    def test_none_is_readable(self, loaded, tmp_path):
        (tmp_path / 'a.png').write_bytes(b'no image')
        with pytest.raises(UserError, match=r'none of 1 images.*a\.png'):
            list(Calibration(loaded, str(tmp_path)))

    @pytest.mark.parametrize(
        ('folder', 'words'),
        [('nowhere', 'no such folder'), ('.', 'no photo')],
    )
    def test_none_is_there(self, loaded, tmp_path, folder, words):
        with pytest.raises(UserError, match=words):
            Calibration(loaded, str(tmp_path / folder))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(dtype='int8'), '--calibrate'),
        (dict(calibrate='.'), '--calibrate is for --dtype int8'),
        (dict(boxes='a.json'), '--boxes is for --calibrate'),
        (
            dict(to='onnx', dtype='int8', calibrate='.'),
            '--dtype int8: onnx takes float32, float16',
        ),
        (
            dict(dtype='int8', calibrate='.', calibration_images=0),
            '--calibration-images',
        ),
    ],
)
def test_mistakes_are_told(options, words):
    options = {'to': 'openvino', **options}
    with pytest.raises(UserError, match=words):
        export('config.py', 'weights.pth', **options)


def test_makers_are_not_told(monkeypatch):
    monkeypatch.setenv('CI', 'no')
    monkeypatch.delenv('NNCF_CI', raising=False)
    with unreported():
        assert os.environ['CI'] == 'true'
        from openvino_telemetry.utils.opt_in_checker import (
            ConsentCheckResult,
            OptInChecker,
        )

        consent = OptInChecker().check(False, True)
    assert consent == ConsentCheckResult.DECLINED
    assert os.environ['CI'] == 'no'
    assert 'NNCF_CI' not in os.environ
