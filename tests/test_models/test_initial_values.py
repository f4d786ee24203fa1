"""What each kind of parameter starts from, before and after a file."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.checkpoint import load_pretrained
from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)

DIMS = (32, 64, 64, 96)
ARCH = dict(depths=(1, 1, 2, 1), embed_dims=DIMS, head_dim=32)
STEM = dict(ARCH, conv_stem=True)
LIGHT = dict(ARCH, mlp_ratio=3.0, conv_stem=False)
MODELS = {
    'image': (UniFormer, dict(arch=ARCH)),
    'image with a stem': (UniFormer, dict(arch=STEM)),
    'image with layer scale': (
        UniFormer,
        dict(arch=ARCH, layer_scale_init_value=0.3),
    ),
    'video': (UniFormer3D, dict(arch=ARCH)),
    'divided': (UniFormer3D, dict(arch=ARCH, attention='divided')),
    'without FFN': (UniFormer3D, dict(arch=ARCH, local_ffn=False)),
    'light': (UniFormerLight, dict(arch=LIGHT)),
    'light video': (
        UniFormerLight3D,
        dict(arch=LIGHT, with_token=True, layer_scale_init_value=0.1),
    ),
}
ZERO, ONE = (lambda p: (p == 0).all()), (lambda p: (p == 1).all())


def is_truncated_normal(parameter: torch.Tensor) -> bool:
    """Of a deviation of 0.02, within four standard errors of it."""
    error = 4 * 0.02 / (2 * parameter.numel()) ** 0.5
    return abs(parameter.std().item() - 0.02) < error


def is_pytorchs(parameter: torch.Tensor) -> bool:
    """Uniform up to one by the root of the fan-in, as PyTorch starts it."""
    bound = parameter[0].numel() ** -0.5
    return 0.8 * bound < parameter.abs().max() <= bound


def is_right(name: str, parameter: torch.Tensor, module, value: float):
    """Whether a parameter is what the official code starts from."""
    kind = name.rpartition('.')[2]
    if '.t_attn.proj.' in name and kind == 'weight':
        return ONE(parameter)
    if '.t_attn.' in name or kind == 'cls_token':
        return ZERO(parameter)
    if kind.startswith('gamma_'):
        return (parameter == value).all()
    if isinstance(module, torch.nn.Linear):
        return (
            ZERO(parameter)
            if kind == 'bias'
            else is_truncated_normal(parameter)
        )
    if isinstance(module, torch.nn.LayerNorm | _BatchNorm):
        return ZERO(parameter) if kind == 'bias' else ONE(parameter)
    assert isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d)
    # A bias has the bound of its weight.
    if kind == 'bias':
        return parameter.abs().max() <= module.weight[0].numel() ** -0.5
    return is_pytorchs(parameter)


@pytest.mark.parametrize('name', MODELS)
def test_every_parameter_starts_as_in_the_official_code(name):
    torch.manual_seed(0)
    cls, settings = MODELS[name]
    model = cls(**settings)
    model.init_weights()
    value = settings.get('layer_scale_init_value')
    for key, parameter in model.named_parameters():
        module = model.get_submodule(key.rpartition('.')[0])
        assert is_right(key, parameter, module, value), key
    for key, buffer in model.named_buffers():
        expected = 1 if key.endswith('running_var') else 0
        assert (buffer == expected).all(), key


class Nothing(torch.nn.Module):
    """In place of an attention."""

    def forward(self, x: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.zeros_like(x)


def test_attention_over_time_starts_as_nothing():
    """A divided block begins as one that attends within frames alone."""
    model = UniFormer3D(ARCH, attention='divided').eval()
    model.init_weights()
    clip = torch.rand(1, 3, 4, 64, 64)
    with torch.no_grad():
        before = model(clip)
        for block in (*model.blocks3, *model.blocks4):
            block.t_attn = Nothing()
        assert torch.equal(model(clip), before)


def test_a_file_of_images_leaves_attention_over_time_as_it_starts(tmp_path):
    path = tmp_path / 'image.pth'
    image = UniFormer(ARCH)
    image.init_weights()
    torch.save(image.state_dict(), path)
    model = UniFormer3D(
        ARCH,
        attention='divided',
        init_cfg=dict(type='Pretrained', checkpoint=str(path)),
    )
    model.init_weights()
    for block in (*model.blocks3, *model.blocks4):
        assert ZERO(block.t_attn.qkv.weight)
        assert ONE(block.t_attn.proj.weight)
    assert torch.equal(
        model.blocks3[0].attn.qkv.weight, image.blocks3[0].attn.qkv.weight
    )


def test_a_file_with_attention_over_time_is_not_reset(tmp_path):
    path = tmp_path / 'divided.pth'
    trained = UniFormer3D(ARCH, attention='divided')
    torch.nn.init.normal_(trained.blocks3[0].t_attn.qkv.weight)
    torch.save(trained.state_dict(), path)
    model = UniFormer3D(ARCH, attention='divided')
    model.init_weights()
    load_pretrained(model, str(path))
    expected = trained.blocks3[0].t_attn.qkv.weight
    assert torch.equal(model.blocks3[0].t_attn.qkv.weight, expected)
    # A second call, of a runner for example, starts nothing again.
    model.init_weights()
    assert torch.equal(model.blocks3[0].t_attn.qkv.weight, expected)
