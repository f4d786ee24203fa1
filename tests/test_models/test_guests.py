"""What others do with a backbone: tracing, adapters, hooks, odd inputs."""

import pytest
import torch
from mmengine.model.efficient_conv_bn_eval import (
    turn_on_efficient_conv_bn_eval,
)
from torch import nn

from mmuniformer import (
    InputError,
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)

ARCH = dict(depths=(1, 1, 2, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
ALL = (UniFormer, UniFormer3D, UniFormerLight, UniFormerLight3D)
KINDS = {
    'windows': (UniFormer, dict(stage3='window', window_size=3)),
    'all global': (UniFormer, dict(stage_types='GGGG')),
    'MobileNet': (UniFormer, dict(local_ffn=False)),
    'conv stem': (UniFormer, dict(arch=dict(ARCH, conv_stem=True))),
    'divided': (UniFormer3D, dict(attention='divided')),
    **{cls.__name__: (cls, {}) for cls in ALL},
}


def build(name, **options):
    cls, given = KINDS[name]
    torch.manual_seed(0)
    model = cls(**{'arch': ARCH, **given, **options})
    model.init_weights()
    return model


def images(model, batch=1):
    return torch.rand(batch, 3, *(4,) * (model.ndim - 2), 64, 64)


def maps(outs):
    return outs if isinstance(outs, tuple) else (outs,)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ['UniFormer', 'MobileNet', 'UniFormer3D'])
def test_traced_with_and_without_gradients(name):
    model = build(name).eval()
    x = images(model)
    traced = torch.jit.trace(model, x)
    other = images(model)
    with torch.no_grad():
        again = torch.jit.trace(model, x)
        for wanted, *got in zip(
            *map(maps, (model(other), traced(other), again(other))),
            strict=True,
        ):
            for out in got:
                torch.testing.assert_close(out, wanted)


@pytest.mark.parametrize('name', KINDS)
def test_hooks_see_the_same_with_and_without_gradients(name):
    model = build(name).eval()
    x = images(model)
    seen: dict[str, list] = {}
    for key, module in model.named_modules():
        module.register_forward_hook(
            lambda m, i, o, key=key: seen.setdefault(key, []).append(o)
        )
    model(x)
    with torch.no_grad():
        model(x)
    assert len(seen) > 20
    for key, outs in seen.items():
        half = len(outs) // 2
        for one, other in zip(outs[:half], outs[half:], strict=True):
            if isinstance(one, torch.Tensor):
                torch.testing.assert_close(other, one, msg=key)


class Adapter(nn.Module):
    """What LoRA puts in the place of a linear layer."""

    def __init__(self, layer):
        super().__init__()
        self.base = layer
        self.down = nn.Linear(layer.in_features, 2, bias=False)
        self.up = nn.Linear(2, layer.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


@pytest.mark.parametrize('name', KINDS)
def test_adapters_on_every_linear_layer(name):
    """As if the product of their weights had been added."""
    model, adapted = build(name).eval(), build(name).eval()
    linear = [
        (key, module)
        for key, module in adapted.named_modules()
        if isinstance(module, nn.Linear)
    ]
    assert linear
    for key, module in linear:
        place, _, last = key.rpartition('.')
        adapter = Adapter(module)
        setattr(adapted.get_submodule(place), last, adapter)
        with torch.no_grad():
            added = adapter.up.weight @ adapter.down.weight
            model.get_submodule(key).weight += added
    x = images(model)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            for got, wanted in zip(
                maps(adapted(x)), maps(model(x)), strict=True
            ):
                torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    outs = maps(adapted.train()(x))
    sum(out.square().sum() for out in outs).backward()
    missing = [
        key
        for key, parameter in adapted.named_parameters()
        if parameter.grad is None and ('up' in key or 'down' in key)
    ]
    assert not [key for key in missing if 'blocks' in key]


@pytest.mark.parametrize('targets', ['.*qkv', r'.*blocks[34].*fc[12]'])
def test_lora_of_mmpretrain(targets):
    peft = pytest.importorskip('mmpretrain.models.peft')
    model = peft.LoRAModel(
        module=dict(type='mmuniformer.UniFormer', arch=ARCH),
        rank=2,
        targets=[dict(type=targets)],
    )
    outs = model(torch.rand(1, 3, 64, 64))
    sum(out.square().sum() for out in outs).backward()
    trained = {n for n, p in model.named_parameters() if p.grad is not None}
    assert trained
    assert all('lora_' in name for name in trained)


@pytest.mark.parametrize('name', [n for n in KINDS if n != 'all global'])
def test_convolutions_and_norms_as_one(name):
    """mmengine's efficient_conv_bn_eval: the same in eval mode."""
    holder = nn.ModuleDict(dict(backbone=build(name)))
    model = holder['backbone']
    x = images(model, batch=2)
    model.train()(x)
    with torch.no_grad():
        wanted = maps(model.eval()(x))
    parts = [m for m in model.modules() if isinstance(m, nn.Sequential)]
    turn_on_efficient_conv_bn_eval(holder, 'backbone')
    assert all('forward' in vars(part) for part in parts)
    for got, want in zip(maps(model(x)), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    norms = [m for m in model.modules() if hasattr(m, 'running_mean')]
    before = norms[0].running_mean.clone()
    outs = maps(model.train()(x))
    sum(out.square().sum() for out in outs).backward()
    assert not torch.equal(norms[0].running_mean, before)


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('name', KINDS)
def test_a_batch_of_no_image(name, training):
    model = build(name, drop_path_rate=0.1).train(training)
    x = images(model)
    wanted = [out.shape[1:] for out in maps(model(x))]
    outs = maps(model(x[:0]))
    assert [out.shape[1:] for out in outs] == wanted
    assert all(len(out) == 0 for out in outs)
    sum(out.sum() for out in outs).backward()


def test_maps_without_a_pixel_or_a_frame():
    model = UniFormer(ARCH)
    for shape in ((1, 3, 0, 64), (1, 3, 64, 0), (0, 3, 0, 0)):
        with pytest.raises(InputError, match='too small'):
            model(torch.rand(shape))
    for cls in (UniFormer3D, UniFormerLight3D):
        with pytest.raises(InputError, match='no frames'):
            cls(ARCH)(torch.rand(1, 3, 0, 64, 64))
