"""The deployment form is the training form in eval mode."""

import copy

import pytest
import torch
from golden_data import (
    CASES,
    fill,
    make_input,
    recorded,
    relative_l2,
    samples,
)
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint import CheckpointError, load_pretrained
from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.backbones.settings import (
    IMAGE_ARCHS,
    LIGHT_ARCHS,
    VIDEO_ARCHS,
)

TINY = dict(depths=(1, 1, 4, 1), embed_dims=(16, 32, 64, 96), head_dim=16)
SCALED = dict(layer_scale_init_value=0.5, layer_scale_stages=(0, 1, 2, 3))
EXACT = 1e-10
PUBLISHED = [
    *((UniFormer, arch, {}) for arch in IMAGE_ARCHS),
    *((UniFormer3D, arch, {}) for arch in VIDEO_ARCHS),
    *((UniFormerLight, arch, {}) for arch in LIGHT_ARCHS),
    *(
        (UniFormerLight3D, arch, dict(layer_scale_init_value=0.1))
        for arch in LIGHT_ARCHS
    ),
]
VARIANTS = [
    (UniFormer, dict(stage3='hybrid', window_size=3)),
    (UniFormer, dict(arch={**TINY, 'conv_stem': True})),
    (UniFormer, dict(arch={**TINY, **SCALED})),
    (UniFormer, dict(stage_types='GGGG')),
    (UniFormer, dict(stage_types='LLLL', local_ffn=False)),
    (UniFormer, dict(use_dpe=False)),
    (UniFormer3D, dict(arch={**TINY, **SCALED}, attention='divided')),
    (UniFormer3D, dict(inflate=False, temporal_embed=True)),
    (UniFormer3D, dict(local_ffn=False)),
    (UniFormerLight, dict(keep_ratio=0.7, score_token=False)),
    (UniFormerLight, dict(arch={**TINY, **SCALED, 'conv_stem': True})),
]


def build(cls, **kwargs):
    return fill(cls(**{'arch': TINY, **kwargs})).double().eval()


def clip(cls, side=64):
    torch.manual_seed(0)
    frames = (4,) if cls.ndim == 3 else ()
    return torch.randn(2, 3, *frames, side, side + 32, dtype=torch.float64)


@torch.no_grad()
def outputs(model, x):
    outs = model(x)
    return (outs,) if isinstance(outs, torch.Tensor) else outs


def compare(model, deployed, x):
    """Largest relative error of an output."""
    return max(
        relative_l2(actual.numpy(), expected.numpy())
        for actual, expected in zip(
            outputs(deployed, x), outputs(model, x), strict=True
        )
    )


@pytest.mark.parametrize(('cls', 'arch', 'kwargs'), PUBLISHED)
def test_every_published_arch(cls, arch, kwargs):
    """With as few blocks as hold what there is, and all their widths."""
    settings = copy.deepcopy(cls.archs[arch]).__dict__
    settings |= dict(depths=(1, 1, 1, 1), **kwargs)
    model = build(cls, arch=settings)
    deployed = copy.deepcopy(model)
    deployed.switch_to_deploy()
    assert compare(model, deployed, clip(cls, 32)) < EXACT
    # Only the norm of a video's classifier has nothing to be folded into.
    norms = [m for m in deployed.modules() if isinstance(m, _BatchNorm)]
    assert len(norms) <= int(cls.ndim == 3)
    assert not any('gamma' in name for name in deployed.state_dict())


@pytest.mark.parametrize(('cls', 'kwargs'), VARIANTS)
def test_every_variant(cls, kwargs):
    model = build(cls, **kwargs)
    deployed = copy.deepcopy(model)
    deployed.switch_to_deploy()
    before = copy.deepcopy(deployed.state_dict())
    # A second time changes nothing.
    deployed.switch_to_deploy()
    torch.testing.assert_close(
        dict(deployed.state_dict()), dict(before), rtol=0, atol=0
    )
    assert compare(model, deployed, clip(cls)) < EXACT


def test_against_the_official_outputs():
    case = 'det_small_w14_288x352'
    model = fill(UniFormer('small', stage3='window')).double().eval()
    model.switch_to_deploy()
    outs = outputs(model, make_input(CASES[case]).double())
    for out, name in zip(outs, CASES[case]['outputs'], strict=True):
        expected = recorded(case)[f'{name}__f64']
        assert relative_l2(samples(out), expected) < EXACT


def test_statistics_and_scales_matter():
    """The weights of these tests leave nothing to chance: with a part left
    out, the outputs differ."""
    model = build(UniFormer, arch={**TINY, **SCALED})
    x = clip(UniFormer)
    for change in (
        lambda m: m.blocks1[0].norm1.running_mean.zero_(),
        lambda m: m.blocks2[0].norm2.running_var.fill_(1),
        lambda m: m.blocks3[0].gamma_1.data.fill_(1),
        lambda m: m.blocks1[0].gamma_2.data.fill_(1),
    ):
        other = copy.deepcopy(model)
        change(other)
        other.switch_to_deploy()
        assert compare(model, other, x) > 1e-4


def test_inside_a_detector_and_in_half_precision():
    detector = nn.Sequential(build(UniFormer).float())
    x = clip(UniFormer).float()
    expected = outputs(detector, x)
    # mmpretrain's way of switching a model of any kind.
    for module in detector.modules():
        if hasattr(module, 'switch_to_deploy'):
            module.switch_to_deploy()
    assert detector[0].deploy
    detector.bfloat16()
    outs = outputs(detector, x.bfloat16())
    for out, want in zip(outs, expected, strict=True):
        assert relative_l2(out.float().numpy(), want.numpy()) < 0.03


def test_weights_keep_their_place_and_type():
    model = build(UniFormer).bfloat16()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    weight = model.blocks1[0].conv1.weight
    model.switch_to_deploy()
    assert model.blocks1[0].conv1.weight is weight
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize('cls', [UniFormer, UniFormer3D, UniFormerLight])
def test_saving_and_loading(cls, tmp_path):
    model = build(cls)
    deployed = copy.deepcopy(model)
    deployed.switch_to_deploy()
    torch.save(deployed.state_dict(), tmp_path / 'deploy.pth')
    torch.save(model.state_dict(), tmp_path / 'train.pth')

    again = cls(TINY, deploy=True).double().eval()
    again.load_state_dict(torch.load(tmp_path / 'deploy.pth'))
    assert compare(deployed, again, clip(cls)) == 0
    again = cls(TINY, deploy=True).double().eval()
    load_pretrained(again, str(tmp_path / 'deploy.pth'))
    assert compare(deployed, again, clip(cls)) == 0


@pytest.mark.parametrize('types', ['LLGG', 'GGGG'])
def test_the_wrong_form_is_an_error(types, tmp_path):
    """Also where both forms have the same names and shapes."""
    model = build(UniFormer, stage_types=types)
    deployed = copy.deepcopy(model)
    deployed.switch_to_deploy()
    for file, target, words in (
        (deployed, model, 'set deploy=True'),
        (model, deployed, 'reparameterize_model.py'),
    ):
        path = tmp_path / 'file.pth'
        torch.save(file.state_dict(), path)
        with pytest.raises(CheckpointError, match=words) as error:
            load_pretrained(target, str(path))
        assert str(path) in str(error.value)
        # As part of another model, and not strictly, as mmengine loads.
        whole = nn.ModuleDict(dict(backbone=target))
        state = {f'backbone.{k}': v for k, v in file.state_dict().items()}
        with pytest.raises(CheckpointError, match=words):
            whole.load_state_dict(state, strict=False)
    # Other weights are nobody's business.
    deployed.load_state_dict({'head.weight': torch.rand(1)}, strict=False)
