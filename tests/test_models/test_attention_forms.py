"""Fused and explicit attention: the same numbers, and weights to look at."""

import copy

import pytest
import torch

from mmuniformer.errors import SettingError
from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.layers import Attention, AttentionWeights

ARCH = dict(depths=(1, 1, 4, 1), embed_dims=(8, 16, 32, 32), head_dim=8)
STYLES = {
    'global': (UniFormer, {}),
    'window': (UniFormer, dict(stage3='window', window_size=3)),
    'hybrid': (UniFormer, dict(stage3='hybrid', window_size=3)),
    'pooled': (UniFormer, dict(stage_types='GGGG')),
    'joint': (UniFormer3D, {}),
    'divided': (UniFormer3D, dict(space_time='divided')),
    'light': (UniFormerLight, {}),
    'light video': (UniFormerLight3D, {}),
}


def build(name, **options):
    cls, given = STYLES[name]
    torch.manual_seed(0)
    model = cls(ARCH, **given, **options).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    frames = (4,) if cls.ndim == 3 else ()
    x = torch.randn(2, 3, *frames, 80, 64, dtype=torch.float64)
    return model, x


def as_tuple(outs):
    return (outs,) if isinstance(outs, torch.Tensor) else outs


def outputs_and_gradients(model, x):
    outs = as_tuple(model(x))
    sum(out.sin().sum() for out in outs).backward()
    return outs, [p.grad for p in model.parameters()]


@pytest.mark.parametrize('name', STYLES)
def test_both_forms_have_the_same_outputs_and_gradients(name):
    fused, x = build(name)
    explicit, _ = build(name, attention='explicit')
    assert list(fused.state_dict()) == list(explicit.state_dict())
    torch.testing.assert_close(
        outputs_and_gradients(explicit, x),
        outputs_and_gradients(fused, x),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize('way', ['recomputed', 'deployed'])
@pytest.mark.parametrize('name', ['hybrid', 'pooled', 'divided', 'light'])
def test_both_forms_of_a_model_that_is_not_as_it_was_built(name, way):
    models = []
    for form in ('fused', 'explicit'):
        model, x = build(name, with_cp=way == 'recomputed')
        if way == 'deployed':
            model.eval().switch_to_deploy()
        # After all else, as of a model that is trained.
        model.set_attention(form)
        models.append(model)
    fused, explicit = models
    torch.testing.assert_close(
        outputs_and_gradients(explicit, x),
        outputs_and_gradients(fused, x),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize('name', ['hybrid', 'divided', 'light video'])
def test_both_forms_in_half_precision(name):
    """As near to single precision as each other, by autocast or wholly."""
    model, x = build(name)
    model, x = model.float().eval(), x.float()
    with torch.no_grad():
        exact = as_tuple(model(x))
        for form in ('fused', 'explicit'):
            model.set_attention(form)
            with torch.autocast('cpu', torch.bfloat16):
                cast = as_tuple(model(x))
            half = as_tuple(copy.deepcopy(model).bfloat16()(x.bfloat16()))
            for outs in (cast, half):
                for out, one in zip(outs, exact, strict=True):
                    assert out.dtype == torch.bfloat16
                    far = (out.float() - one).norm() / one.norm()
                    assert far < 0.03


@pytest.mark.parametrize('name', STYLES)
def test_a_hook_sees_the_weights_of_every_attention(name):
    model, x = build(name)
    seen = {}
    for key, module in model.named_modules():
        if isinstance(module, AttentionWeights):
            module.register_forward_hook(
                lambda m, i, out, key=key: seen.update({key: out})
            )
    with torch.no_grad():
        model.eval()(x)
        assert not seen
        model.set_attention('explicit')
        model(x)
    attentions = [
        f'{key}.weights'
        for key, module in model.named_modules()
        if isinstance(module, Attention)
    ]
    assert set(seen) == set(attentions)
    for weights in seen.values():
        torch.testing.assert_close(
            weights.sum(-1), torch.ones_like(weights[..., 0])
        )
    shapes = {
        # 5 x 4 tokens; four windows of 3 x 3; every fourth block is global.
        'global': {'blocks3.0.attn.weights': (2, 4, 20, 20)},
        'window': {'blocks3.3.attn.weights': (8, 4, 9, 9)},
        'hybrid': {
            'blocks3.2.attn.weights': (8, 4, 9, 9),
            'blocks3.3.attn.weights': (2, 4, 20, 20),
        },
        # Keys are those of cells of 4 x 4.
        'pooled': {'blocks1.0.attn.weights': (2, 1, 320, 20)},
        'joint': {'blocks3.0.attn.weights': (2, 4, 40, 40)},
        # Over the time of each place, then within each frame.
        'divided': {
            'blocks3.0.t_attn.weights': (40, 4, 2, 2),
            'blocks3.0.attn.weights': (4, 4, 20, 20),
        },
        # The score token and all tokens; then it, half of them and a mean.
        'light': {
            'blocks3.0.attn.weights': (2, 4, 21, 21),
            'blocks3.1.attn.weights': (2, 4, 12, 12),
        },
        'light video': {'blocks3.0.attn.weights': (2, 4, 41, 41)},
    }[name]
    assert {key: tuple(seen[key].shape) for key in shapes} == shapes


@pytest.mark.parametrize('form', ['fused', 'explicit'])
def test_dropout_of_weights(form):
    """Some weights are dropped and the others made larger, in training."""
    torch.manual_seed(0)
    attention = Attention(8, 2, attn_drop=0.5).double()
    attention.form = form
    torch.nn.init.eye_(attention.proj.weight)
    # All weights are equal: the mean of what is kept, times two.
    q = torch.zeros(2000, 2, 4, 4, dtype=torch.float64)
    v = torch.eye(4, dtype=torch.float64).expand_as(q)
    out = attention.gather(q, q, v) - attention.proj.bias
    assert set(out.unique().tolist()) == {0.0, 0.5}
    assert 0.49 < float((out > 0).double().mean()) < 0.51
    attention.eval()
    out = attention.gather(q, q, v) - attention.proj.bias
    torch.testing.assert_close(out, torch.full_like(out, 0.25))


def test_a_wrong_form_is_named():
    with pytest.raises(SettingError, match=r'attention .*explicit.*flash'):
        UniFormer(ARCH, attention='flash')
    with pytest.raises(SettingError, match=r'attention .*explicit.*flash'):
        UniFormer3D(ARCH, attention='flash')
    with pytest.raises(SettingError, match=r'attention .*explicit.*joint'):
        UniFormer(ARCH).set_attention('joint')


def test_words_of_video():
    """Which tokens attend, and how it is computed, by one word or two."""
    divided = UniFormer3D(ARCH, attention='divided').blocks3[0]
    assert divided.t_attn.form == 'fused'
    divided = UniFormer3D(
        ARCH, space_time='divided', attention='explicit'
    ).blocks3[0]
    assert divided.t_attn.form == divided.attn.form == 'explicit'
    with pytest.raises(SettingError, match=r"space_time .*divided.*'both'"):
        UniFormer3D(ARCH, space_time='both')
