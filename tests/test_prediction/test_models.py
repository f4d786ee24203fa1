"""Where weights, classes and the test pipeline are from."""

import numpy as np
import predict_models
import pytest
import torch

import mmuniformer
from mmuniformer.apis import deploy, publish
from mmuniformer.checkpoint import CheckpointError
from mmuniformer.engine.config import load_config
from mmuniformer.errors import UserError
from mmuniformer.prediction.models import load_model


@pytest.fixture
def cls(checkpoints):
    pytest.importorskip('mmpretrain')
    return checkpoints['cls']


def test_classes_and_pipeline_of_the_checkpoint_win(cls, tmp_path):
    names = tuple('uvwxyz')
    cfg = load_config(predict_models.config('cls'))
    cfg.test_dataloader.dataset.pipeline[1].scale = (32, 32)
    text = cfg.pretty_text
    path = predict_models.checkpoint(
        'cls', tmp_path, dataset_meta=dict(classes=names), cfg=text
    )
    loaded = load_model(predict_models.config('cls'), path)
    assert loaded.metainfo['classes'] == names
    assert tuple(loaded.pipeline[1].scale) == (32, 32)
    assert loaded.about == (
        f'6 classes (u, v, w, ...): those of {path}',
        f'test pipeline: that of {path}',
    )


def test_else_those_of_the_config(cls, tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save(torch.load(cls)['state_dict'], path)
    config = predict_models.config('cls')
    loaded = load_model(config, str(path))
    assert loaded.about == (
        f'6 classes (circle, cross, person, ...): those of {config}',
        f'test pipeline: that of {config}',
    )
    with pytest.raises(UserError, match='has no config in it: name its conf'):
        load_model(str(path))
    with pytest.raises(UserError, match='needs its weights, a checkpoint'):
        load_model(config)


def test_a_model_that_is_no_config_is_told_before_weights(tmp_path):
    with pytest.raises(UserError, match='does not exist'):
        load_model(str(tmp_path / 'mistyped.py'))


def test_annotations_are_not_read(checkpoints):
    pytest.importorskip('mmseg')
    kinds = [node.type for node in load_model(checkpoints['seg']).pipeline]
    assert kinds == ['LoadImageFromFile', 'PackSegInputs']


@pytest.mark.parametrize(
    ('line', 'told'),
    [
        ('import os', 'statement other than NAME = VALUE'),
        ("x = __import__('os').system('touch ran')", 'more than literals'),
        ("custom_imports = dict(imports=['antigravity'])", 'an import of'),
    ],
)
def test_text_in_a_checkpoint_is_never_run(
    cls, tmp_path, monkeypatch, line, told
):
    monkeypatch.chdir(tmp_path)
    text = predict_models.content('cls')['meta']['cfg'] + f'\n{line}\n'
    path = predict_models.checkpoint('cls', tmp_path, cfg=text)
    with pytest.raises(CheckpointError, match=told):
        load_model(path)
    assert not (tmp_path / 'ran').exists()


def test_weights_of_another_model_are_one_line(checkpoints, tmp_path):
    pytest.importorskip('mmpretrain')
    pytest.importorskip('mmseg')
    with pytest.raises(UserError) as caught:
        load_model(predict_models.config('seg'), checkpoints['cls'])
    assert 'does not fit the model of the config' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_another_number_of_classes_is_told(cls, tmp_path):
    content = predict_models.content('cls')
    state = dict(content['state_dict'])
    for name in ('head.fc.weight', 'head.fc.bias'):
        state[name] = state[name][:4]
    path = tmp_path / 'four.pth'
    meta = dict(dataset_meta=dict(classes=list('abcd')))
    torch.save(dict(meta=meta, state_dict=state), path)
    with pytest.raises(UserError) as caught:
        load_model(predict_models.config('cls'), str(path))
    told = 'the file is of 4 classes (a, b, c, ...) and the config of 6 ('
    assert told in str(caught.value)


def test_a_file_in_deployment_form(cls, tmp_path, photo):
    deployed = tmp_path / 'deployed.pth'
    deploy(predict_models.config('cls'), cls, str(deployed))
    want = mmuniformer.load(cls)(photo).scores
    for given in (
        [deployed],
        # A config that does not say so.
        [predict_models.config('cls'), deployed],
    ):
        found = mmuniformer.load(*given)(photo).scores
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_published_file_is_enough(cls, tmp_path, photo, suffix):
    path = publish(cls, str(tmp_path / f'mine{suffix}'))
    model = mmuniformer.load(path)
    np.testing.assert_array_equal(
        model(photo).scores, mmuniformer.load(cls)(photo).scores
    )
    assert model.classes[:2] == ('circle', 'cross')


def test_a_classifier_without_names_of_classes(cls, tmp_path, photo):
    cfg = load_config(predict_models.config('cls'))
    for name in ('train', 'val', 'test'):
        del cfg[f'{name}_dataloader'].dataset['metainfo']
    path = predict_models.checkpoint('cls', tmp_path, cfg=cfg.pretty_text)
    result = mmuniformer.load(path)(photo)
    assert result.classes == tuple('012345')


def test_a_model_for_videos_takes_no_array(checkpoints):
    pytest.importorskip('mmaction')
    model = mmuniformer.load(checkpoints['video'])
    with pytest.raises(UserError, match='takes files of videos, no images'):
        model(np.zeros((8, 8, 3), np.uint8))


def test_what_an_array_has_to_be(cls):
    model = mmuniformer.load(cls)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(UserError, match='an image is an array'):
            model(wrong)


def test_orientation_is_read_as_the_library_reads_it(cls, tmp_path):
    from PIL import Image

    picture = Image.new('RGB', (60, 40), (200, 30, 30))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / 'turned.jpg', exif=exif)
    result = mmuniformer.load(cls)(tmp_path / 'turned.jpg')
    assert (result.height, result.width) == (60, 40)
