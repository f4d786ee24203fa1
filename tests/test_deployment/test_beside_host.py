"""What is exported is what the host's own test does, or it is told."""

import pytest
from export_models import model_of
from mmengine.registry import DefaultScope

from mmuniformer.deployment import beside_host
from mmuniformer.deployment.beside_host import (
    check_preprocessor,
    check_results,
)
from mmuniformer.deployment.comparing import expected, pictures
from mmuniformer.deployment.networks import network_of
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import load_model

TASKS = ('cls', 'seg', 'pose', 'video', 'det')
SIZES = dict(pose=(128, 96), det=(141, 99))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


@pytest.fixture
def told(monkeypatch):
    lines = []
    monkeypatch.setattr(
        beside_host, 'print_log', lambda line, **_: lines.append(line)
    )
    return lines


def look(task, folder, change=None, **options):
    """Makes a network of a model that may have been changed, and compares."""
    config, checkpoint = model_of(task, folder)
    options = {f'model.{key}': value for key, value in options.items()}
    loaded = load_model(config, checkpoint, 'cpu', cfg_options=options)
    if change is not None:
        change(loaded.net)
    with DefaultScope.overwrite_default_scope(loaded.library):
        network = network_of(loaded)
        frames = (8,) if task == 'video' else ()
        image = pictures((1, *frames, *SIZES.get(task, (75, 91)), 3))
        check_preprocessor(loaded, network, image)
        check_results(loaded, network, image, expected(network, image))


def of_own(part, **methods):
    """Gives a module a class of a user's own."""
    part.__class__ = type('Own', (type(part),), methods)


@pytest.mark.parametrize('task', TASKS)
def test_models_of_the_hosts_are_the_same(task, folder, told):
    look(task, folder)
    assert told == []


def test_a_window_that_slides_is_no_difference(folder, told):
    window = dict(mode='slide', crop_size=(64, 64), stride=(48, 48))
    look('seg', folder, test_cfg=window)
    assert told == []


def test_fewer_candidates_than_boxes(folder, told):
    look('det', folder, **{'test_cfg.nms_pre': 5})
    assert told == []


@pytest.mark.parametrize(
    ('options', 'is_known'),
    [
        ({'data_preprocessor.test_cfg': dict(size_divisor=32)}, True),
        ({'data_preprocessor.test_cfg': dict(size=(128, 128))}, False),
        ({'data_preprocessor.bgr_to_rgb': False}, True),
        (
            {'data_preprocessor.mean': None, 'data_preprocessor.std': None},
            True,
        ),
    ],
)
def test_preprocessors(folder, options, is_known):
    if is_known:
        look('seg', folder, **options)
    else:
        with pytest.raises(UserError, match='SegDataPreProcessor of the con'):
            look('seg', folder, **options)


@pytest.mark.parametrize('task', TASKS)
def test_a_preprocessor_of_ones_own(task, folder):
    def change(net):
        kind = type(net.data_preprocessor)

        def forward(self, data, training=False):
            data = kind.forward(self, data, training)
            data['inputs'] = data['inputs'] * 2
            return data

        of_own(net.data_preprocessor, forward=forward)

    with pytest.raises(UserError, match='Own of the config makes something'):
        look(task, folder, change)


def test_a_head_of_ones_own(folder):
    def change(net):
        kind = type(net.head)

        def predict(self, feats, samples=None, **options):
            samples = kind.predict(self, feats, samples, **options)
            for sample in samples:
                sample.pred_score = sample.pred_score.sqrt()
            return samples

        of_own(net.head, predict=predict)

    with pytest.raises(UserError, match='ImageClassifier gives other scores'):
        look('cls', folder, change)


def test_a_model_of_ones_own(folder):
    """Boxes that its own test moves."""

    def change(net):
        kind = type(net)

        def predict(self, *args, **options):
            samples = kind.predict(self, *args, **options)
            for sample in samples:
                sample.pred_instances.bboxes += 30
            return samples

        of_own(net, predict=predict)

    with pytest.raises(UserError, match='Own gives other boxes'):
        look('det', folder, change)


def test_keypoints_of_a_models_own(folder):
    """Fewer than its heatmaps are."""

    def change(net):
        kind = type(net)

        def predict(self, *args, **options):
            samples = kind.predict(self, *args, **options)
            for sample in samples:
                found = sample.pred_instances
                points = found.pop('keypoints')
                found.keypoints = points[:, :5]
            return samples

        of_own(net, predict=predict)

    with pytest.raises(UserError, match=r'other keypoints .* --part backbone'):
        look('pose', folder, change)


def test_results_of_another_kind(folder):
    """As those of a model of mmseg that tells depths."""

    def change(net):
        def postprocess_result(self, logits, samples):
            return samples

        of_own(net, postprocess_result=postprocess_result)

    with pytest.raises(
        UserError, match=r'no logits and labels .* --part neck'
    ):
        look('seg', folder, change)


def test_a_test_that_does_not_run_is_told(folder, told):
    """As one that needs what only a data set knows."""

    def change(net):
        def predict(self, inputs, samples, **options):
            return samples[0].camera

        of_own(net, predict=predict)

    look('cls', folder, change)
    (line,) = told
    assert "Own's own test does not run" in line
    assert 'camera' in line
