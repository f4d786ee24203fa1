"""Files of the light models."""

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

from mmuniformer.checkpoint import (
    CheckpointError,
    load_classifier,
    load_pretrained,
)
from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)

CLASSIFIER = dict(classifier=True, with_token=True, out_indices=(3,))
TINY = dict(depths=(1, 1, 2, 1), embed_dims=(16, 32, 64, 96), head_dim=16)


@pytest.fixture(scope='module')
def image_file(official, tmp_path_factory):
    """The light files hold no key 'model' around the tensors."""
    path = tmp_path_factory.mktemp('files') / 'uniformer_xxs_128_in1k.pth'
    torch.save(official('image_uniformer_xxs'), path)
    return path


@pytest.mark.parametrize(
    ('name', 'make', 'settings'),
    [
        ('dense_light_xxs', UniFormerLight, dict(arch='xxs')),
        ('dense_light_xs', UniFormerLight, dict(arch='xs')),
        ('image_uniformer_xxs', UniFormerLight, CLASSIFIER),
        ('image_uniformer_xs', UniFormerLight, dict(arch='xs', **CLASSIFIER)),
        (
            'video_Uniformer_light_xxs',
            UniFormerLight3D,
            dict(with_token=True),
        ),
        (
            'video_Uniformer_light_xs',
            UniFormerLight3D,
            dict(arch='xs', with_token=True),
        ),
        (
            'video_Uniformer_light_ls_fp32_xxs',
            UniFormerLight3D,
            dict(with_token=True, layer_scale_init_value=0.1),
        ),
    ],
)
def test_names_of_published_models(name, make, settings, state_dicts):
    """Every name, in its order, and every shape of the published models."""
    with torch.device('meta'):
        model = make(**settings)
    own = {k: list(v.shape) for k, v in model.state_dict().items()}
    heads = ('head.', 'head_cls.')
    theirs = {
        k: v for k, v in state_dicts[name].items() if not k.startswith(heads)
    }
    assert list(own.items()) == list(theirs.items())


@pytest.mark.parametrize('layer_scale', [None, 0.1])
def test_inflation_tensor_by_tensor(layer_scale, image_file, inflated):
    """Norms and sums of what the official code makes of an image file."""
    model = UniFormerLight3D(
        'xxs', with_token=True, layer_scale_init_value=layer_scale
    )
    load_pretrained(model, image_file)
    state_dict = model.state_dict()
    for name, (l2, total) in inflated['average_light_xxs'].items():
        tensor = state_dict.pop(name).double()
        assert tensor.norm().item() == pytest.approx(l2, rel=1e-9), name
        scale = l2 * np.sqrt(tensor.numel())
        assert abs(tensor.sum().item() - total) <= 1e-9 * scale, name
    # New in video, as the official loader leaves it.
    gammas = {f'gamma_{i}' for i in (1, 2)} if layer_scale else set()
    assert {k.split('.')[-1] for k in state_dict} == gammas
    assert len(state_dict) == (34 if layer_scale else 0)
    assert all((v == 0.1).all() for v in state_dict.values())


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(out_indices=(0,)),
        dict(out_indices=(0, 1)),
        dict(out_indices=(1, 2)),
        CLASSIFIER,
        dict(classifier=True, out_indices=(0, 3)),
    ],
)
def test_classifier_fills_every_kind_of_backbone(settings, image_file):
    model = UniFormerLight('xxs', **settings)
    load_pretrained(model, image_file)
    tensors = torch.load(image_file)
    for name, value in model.state_dict().items():
        if name in tensors:
            assert torch.equal(value, tensors[name]), name
        else:
            assert name.split('.')[0] in {'norm1', 'norm2', 'norm3', 'norm4'}


def test_own_checkpoints_load_strictly():
    """mmengine loads a whole file; levels that are not built fall away."""
    for settings in (dict(out_indices=(1,)), dict(out_indices=(2,)), dict()):
        source = UniFormerLight(TINY)
        target = UniFormerLight(TINY, **settings)
        target.load_state_dict(source.state_dict())
        for name, value in target.state_dict().items():
            assert torch.equal(value, source.state_dict()[name])


@pytest.mark.parametrize(
    ('file', 'model', 'advice'),
    [
        (UniFormerLight(TINY), UniFormer, "type='mmuniformer.UniFormerLight'"),
        (
            UniFormerLight3D(TINY),
            UniFormerLight,
            "light video model: use type='mmuniformer.UniFormerLight3D'",
        ),
        (
            UniFormer(TINY),
            UniFormerLight,
            "an image model: use type='mmuniformer.UniFormer'",
        ),
        (UniFormer3D(TINY), UniFormerLight3D, "'mmuniformer.UniFormer3D'"),
        (
            UniFormerLight(TINY, score_token=False),
            UniFormerLight,
            'use score_token=False',
        ),
        (
            UniFormerLight3D(TINY, layer_scale_init_value=0.1),
            UniFormerLight3D,
            'use layer_scale_init_value=0.1',
        ),
    ],
)
def test_wrong_class_or_setting_is_named(file, model, advice, tmp_path):
    path = tmp_path / 'file.pth'
    torch.save(file.state_dict(), path)
    with pytest.raises(CheckpointError) as error:
        load_pretrained(model(TINY), path)
    assert advice in str(error.value)


def test_other_size_is_named(image_file):
    with pytest.raises(CheckpointError, match="use arch='xxs'"):
        load_pretrained(UniFormerLight('xs'), image_file)


def test_whole_video_classifier(official, tmp_path):
    """An official file in a recognizer, with the logits of its code."""
    pytest.importorskip('mmaction')
    init_default_scope('mmaction')
    path = tmp_path / 'uniformer_xxs4_128_k400.pth'
    tensors = official('video_Uniformer_light_ls_fp32_xxs')
    torch.save({'model_state': tensors}, path)
    recognizer = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='mmuniformer.UniFormerLight3D',
                with_token=True,
                layer_scale_init_value=0.1,
            ),
            cls_head=dict(
                type='mmuniformer.ScoreTokenHead',
                head_type='I3DHead',
                in_channels=448,
                num_classes=400,
            ),
        )
    ).eval()
    load_classifier(recognizer, path)
    for name, head in [('head', 'head'), ('head_cls', 'token_head')]:
        weight = getattr(recognizer.cls_head, head).fc_cls.weight
        assert torch.equal(weight, tensors[f'{name}.weight'])
    case_id = 'vid_light_ls_fp32_xxs_4x128'
    clips = make_input(CASES[case_id]).double()[:, None]
    with torch.no_grad():
        feats, _ = recognizer.double().extract_feat(clips, test_mode=True)
        logits = recognizer.cls_head(feats)
    expected = recorded(case_id)['logits__f64']
    assert relative_l2(samples(logits), expected) <= 1e-10

    tensors['head.weight'] = tensors['head.weight'][:174]
    torch.save({'model_state': tensors}, path)
    words = 'trained on 174 classes and the config has 400'
    with pytest.raises(CheckpointError, match=words):
        load_classifier(recognizer, path)
