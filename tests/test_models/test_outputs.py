"""Levels that no neck or head reads, with one process and with several."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmuniformer import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.layers import hand_out

ARCH = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
ALL = dict(out_indices=(0, 1, 2, 3))
CASES = {
    'image': (UniFormer, {}),
    'conv stem': (UniFormer, dict(arch=dict(ARCH, conv_stem=True))),
    'recomputed': (UniFormer, dict(with_cp=True)),
    'frozen': (UniFormer, dict(frozen_stages=2)),
    'video': (UniFormer3D, ALL),
    'light': (UniFormerLight, {}),
    'light video': (UniFormerLight3D, ALL),
    'token': (
        UniFormerLight,
        dict(classifier=True, out_indices=(3,), with_token=True),
    ),
}
READ = [(1, 2, 3), (3,), (0,), (2, 0)]


def build(name):
    cls, options = CASES[name]
    torch.manual_seed(0)
    model = cls(**{'arch': ARCH, **options})
    model.init_weights()
    shape = (2, 3, 4, 64, 64) if cls.ndim == 3 else (2, 3, 64, 64)
    return model.train(), torch.rand(shape)


def outputs_of(model):
    """Parameters of the norms in front of the outputs."""
    norms = {model._norm_name(i) for i in model.out_indices}
    return {
        name
        for name, _ in model.named_parameters()
        if name.partition('.')[0] in {*norms, 'norm_cls'}
    }


@pytest.mark.parametrize('name', CASES)
def test_norms_of_unread_levels_have_gradients_of_zero(name):
    model, x = build(name)
    model(x)[0].square().sum().backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    grads = {n: p.grad for n, p in trained.items()}
    first = 'norm.' if name == 'token' else 'norm1.'
    for key in outputs_of(model):
        assert bool(grads[key].any()) == key.startswith(first), key


@pytest.mark.parametrize('name', ['image', 'video', 'light'])
def test_other_gradients_are_the_same(name):
    """As if each level had been copied by itself."""

    def gradients(model, outs):
        loss = outs[1].square().sum() + outs[3].sin().sum() + outs[1].sum()
        loss.backward()
        return {n: p.grad for n, p in model.named_parameters()}

    model, x = build(name)
    ours = gradients(model, model(x))
    model, x = build(name)
    raw = []
    norms = [getattr(model, model._norm_name(i)) for i in range(4)]
    hooks = [
        n.register_forward_hook(lambda m, i, o: raw.append(o)) for n in norms
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    plain = gradients(model, [out.contiguous() for out in raw])
    unread = {n for n, grad in plain.items() if grad is None}
    assert unread == {
        f'{model._norm_name(i)}.{w}'
        for i in (0, 2)
        for w in ('weight', 'bias')
    }
    for key, grad in plain.items():
        if grad is not None:
            assert torch.equal(grad, ours[key]), key


def test_a_head_may_write_over_what_it_reads():
    model, x = build('image')
    outs = [nn.ReLU(inplace=True)(out) for out in model(x)]
    sum(out.sum() for out in outs).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_maps_are_in_ordinary_memory():
    model, x = build('image')
    assert all(out.is_contiguous() for out in model(x))
    with torch.no_grad():
        assert all(out.is_contiguous() for out in model.eval()(x))
        assert not any(out.requires_grad for out in model(x))


def test_gradients_of_gradients():
    x = torch.rand(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def cube(x):
        return hand_out([x**3, x, x**2])[0]

    assert torch.autograd.gradgradcheck(cube, x)


@pytest.fixture
def alone(tmp_path):
    """A group of one process: it waits for gradients as larger ones do."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('read', READ, ids=str)
@pytest.mark.parametrize('name', ['image', 'video', 'light', 'recomputed'])
def test_processes_wait_for_no_gradient(name, read, alone):
    model, x = build(name)
    model = DistributedDataParallel(model)
    for _ in range(3):
        outs = model(x)
        sum(outs[i].square().mean() for i in read).backward()


def test_two_uses_before_a_step(alone):
    """As siamese networks and some self-supervised methods do."""
    model, x = build('image')
    model = DistributedDataParallel(model)
    for _ in range(2):
        both = model(torch.cat([x, x.flip(0)]))
        (both[2].mean() + both[3].square().mean()).backward()


def test_two_processes_with_heads_that_skip_levels():
    """Parts of RetinaNet and PSPNet, by torchrun."""
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--standalone', '--nproc-per-node=2'),
            Path(__file__).with_name('unread_levels.py'),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('same weights: [True, True]') == 2
