"""Files of images and of video in the video backbone and its recognizers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden_data import (
    CASES,
    make_input,
    recorded,
    relative_l2,
    samples,
)
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner.checkpoint import _load_checkpoint_to_model

from mmuniformer.checkpoint import (
    CheckpointError,
    load_classifier,
    load_pretrained,
)
from mmuniformer.engine.hooks import PublishedCheckpointHook
from mmuniformer.models import UniFormer, UniFormer3D

TINY = dict(depths=(1, 1, 1, 1), embed_dims=(16, 32, 64, 96), head_dim=16)


@pytest.fixture(scope='module')
def image_file(official, tmp_path_factory):
    path = tmp_path_factory.mktemp('files') / 'uniformer_small_in1k.pth'
    torch.save({'model': official('image_uniformer_small')}, path)
    return path


@pytest.mark.parametrize(
    ('settings', 'inflation', 'cases'),
    [
        (dict(), None, ['average']),
        (dict(), 'centre', ['average', 'centre']),
        (dict(attention='divided'), 'average', ['average']),
        (
            dict(temporal_embed=True),
            'average',
            ['average', 'average_temporal_embed'],
        ),
    ],
)
def test_inflation_tensor_by_tensor(
    settings, inflation, cases, image_file, inflated, messages
):
    """Norms and sums of what the official code makes of an image file."""
    expected = {}
    for case in cases:
        expected.update(inflated[case])
    model = UniFormer3D('small', **settings)
    if inflation is None:
        load_pretrained(model, image_file)
    else:
        load_pretrained(model, image_file, inflation=inflation)
    state_dict = model.state_dict()
    for name, (l2, total) in expected.items():
        tensor = state_dict.pop(name).double()
        assert tensor.norm().item() == pytest.approx(l2, rel=1e-9), name
        scale = l2 * np.sqrt(tensor.numel())
        assert abs(tensor.sum().item() - total) <= 1e-9 * scale, name
    # What the file does not have, as the official loader leaves it.
    fresh = {k for k in state_dict if '.t_attn.' in k or '.t_norm.' in k}
    assert state_dict.keys() == fresh
    assert bool(fresh) == ('attention' in settings)
    (line,) = [m for m in messages if m.startswith('Loaded')]
    assert f'inflated: 57 kernels ({inflation or "average"})' in line
    assert ('start fresh' in line) == bool(fresh)


def test_kernels_in_time(tmp_path):
    """Where a kernel goes, chosen by the config."""
    path = tmp_path / 'file.pth'
    weights = UniFormer(TINY, out_indices=(3,)).state_dict()
    torch.save(weights, path)
    name = 'blocks1.0.attn.weight'
    for inflation in ('average', 'centre'):
        init_cfg = dict(
            type='Pretrained', checkpoint=path, inflation=inflation
        )
        model = UniFormer3D(TINY, init_cfg=init_cfg)
        model.init_weights()
        kernel = model.state_dict()[name]
        torch.testing.assert_close(kernel.sum(2), weights[name])
        used = kernel.abs().sum((0, 1, 3, 4)) > 0
        assert (
            used.tolist()
            == {
                'average': [True] * 5,
                'centre': [False, False, True, False, False],
            }[inflation]
        )
    # Without inflation a kernel is the image's, but for the first embedding.
    model = UniFormer3D(TINY, inflate=False)
    load_pretrained(model, path)
    kernel = model.state_dict()[name]
    assert torch.equal(kernel[:, :, 0], weights[name])
    assert model.patch_embed1.proj.weight.shape[2] == 3


def test_unknown_inflation(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(UniFormer(TINY).state_dict(), path)
    with pytest.raises(ValueError, match=r"'average', 'centre'.*'center'"):
        load_pretrained(UniFormer3D(TINY), path, inflation='center')


def test_dense_file_has_no_norm_of_the_classifier(tmp_path, messages):
    """A detector's backbone may start a recognizer's."""
    path = tmp_path / 'detector.pth'
    tensors = UniFormer(TINY).state_dict()
    torch.save({f'backbone.{k}': v for k, v in tensors.items()}, path)
    load_pretrained(UniFormer3D(TINY), path)
    (line,) = [m for m in messages if m.startswith('Loaded')]
    assert 'start fresh: norm (5)' in line


@pytest.mark.parametrize(
    ('name', 'settings'),
    [
        ('video_small', dict(arch='small')),
        ('video_small_split', dict(arch='small', attention='divided')),
        ('video_small_std', dict(arch='small', temporal_embed=True)),
        ('video_base', dict(arch='base')),
        ('mmaction2_port_small', dict(arch='small')),
    ],
)
def test_names_of_published_models(name, settings, state_dicts):
    """Every name, in its order, and every shape of the published models."""
    with torch.device('meta'):
        model = UniFormer3D(**settings)
    own = {k: list(v.shape) for k, v in model.state_dict().items()}
    theirs = {
        k: v for k, v in state_dicts[name].items() if not k.startswith('head.')
    }
    assert list(own.items()) == list(theirs.items())


@pytest.mark.parametrize(
    ('file', 'model', 'advice'),
    [
        (dict(), dict(attention='divided'), "use attention='joint'"),
        (dict(attention='divided'), dict(), "use attention='divided'"),
        (dict(inflate=False), dict(), 'use inflate=False'),
        (dict(), dict(temporal_embed=True), 'use temporal_embed=False'),
        (dict(stage_types='LLLL'), dict(), "use stage_types='LLLL'"),
        (dict(), dict(arch='base'), "use arch={'depths': (1, 1, 1, 1)"),
    ],
)
def test_wrong_settings_are_named(file, model, advice, tmp_path):
    path = tmp_path / 'file.pth'
    torch.save({'model_state': UniFormer3D(TINY, **file).state_dict()}, path)
    with torch.device('meta'):
        model = UniFormer3D(**{'arch': TINY, **model})
    with pytest.raises(CheckpointError) as error:
        load_pretrained(model, path)
    assert advice in str(error.value)


def test_video_does_not_become_an_image(tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(UniFormer3D(TINY).state_dict(), path)
    with pytest.raises(CheckpointError, match='a video model'):
        load_pretrained(UniFormer(TINY), path)


def build_recognizer(arch=TINY, num_classes=400):
    init_default_scope('mmaction')
    width = 512 if arch == 'small' else arch['embed_dims'][-1]
    return MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(type='mmuniformer.UniFormer3D', arch=arch),
            cls_head=dict(
                type='I3DHead',
                in_channels=width,
                num_classes=num_classes,
                dropout_ratio=0.0,
            ),
        )
    ).eval()


def save_official(path, state_dict):
    """As the official trainer saves a classifier."""
    content = {
        'epoch': 109,
        'model_state': state_dict,
        'optimizer_state': {},
        'cfg': 'TRAIN: {}',
    }
    torch.save(content, path)
    return path


@pytest.fixture
def tiny_file(tmp_path):
    tensors = UniFormer3D(TINY).state_dict()
    tensors['head.weight'] = torch.rand(400, 96)
    tensors['head.bias'] = torch.rand(400)
    return save_official(tmp_path / 'tiny_k400.pth', tensors)


class TestRecognizer:
    @pytest.fixture(autouse=True)
    def mmaction(self):
        pytest.importorskip('mmaction')

    def test_official_logits(self, official, tmp_path, messages):
        path = save_official(tmp_path / 'k400.pth', official('video_small'))
        model = build_recognizer('small')
        load_classifier(model, path)
        case_id = 'vid_small_odd_5x100x120'
        clips = make_input(CASES[case_id]).double()[:, None]
        with torch.no_grad():
            features, _ = model.double().extract_feat(clips, test_mode=True)
            logits = model.cls_head(features)
        expected = recorded(case_id)['logits__f64']
        assert relative_l2(samples(logits), expected) <= 1e-10
        (line,) = [m for m in messages if 'official classifier' in m]
        assert '400 classes' in line
        assert 'not the alphabet' in line

    def test_file_that_mmaction2_hosts(self, tmp_path, messages):
        """It has the names of the model, and nothing is said."""
        path = tmp_path / 'hosted.pth'
        source = build_recognizer()
        torch.save({'meta': {}, 'state_dict': source.state_dict()}, path)
        model = build_recognizer()
        load_classifier(model, path)
        torch.testing.assert_close(model.state_dict(), source.state_dict())
        assert messages == []

    def test_other_number_of_classes(self, tiny_file):
        model = build_recognizer(num_classes=174)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        words = 'trained on 400 classes and the config has 174'
        with pytest.raises(CheckpointError, match=words):
            load_classifier(model, tiny_file)
        torch.testing.assert_close(model.state_dict(), before)

    def test_other_model(self, tiny_file):
        arch = dict(TINY, depths=(1, 1, 2, 1))
        with pytest.raises(CheckpointError, match=r'blocks3.1.pos_embed'):
            load_classifier(build_recognizer(arch), tiny_file)

    def test_load_from_starts_another_data_set(self, tiny_file):
        """All but the classifier, which has other classes."""
        model = build_recognizer(num_classes=174)
        head = model.cls_head.fc_cls.weight.clone()
        checkpoint = torch.load(tiny_file)
        tensors = dict(checkpoint['model_state'])
        runner = SimpleNamespace(model=model, _load_from=str(tiny_file))
        PublishedCheckpointHook().after_load_checkpoint(runner, checkpoint)
        _load_checkpoint_to_model(model, checkpoint)
        for name, tensor in model.backbone.state_dict().items():
            assert torch.equal(tensor, tensors[name]), name
        assert torch.equal(model.cls_head.fc_cls.weight, head)

    def test_own_checkpoint_stays_as_it_is(self):
        model = build_recognizer()
        own = {'state_dict': model.state_dict(), 'meta': {}}
        runner = SimpleNamespace(model=model, _load_from='own.pth')
        checkpoint = dict(own)
        PublishedCheckpointHook().after_load_checkpoint(runner, checkpoint)
        assert checkpoint['state_dict'] is own['state_dict']
