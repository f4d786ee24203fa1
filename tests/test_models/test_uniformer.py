"""Settings and behaviour of the image backbone."""

import copy
import threading

import pytest
import torch
from golden_data import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import digit_version
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmuniformer.models import UniFormer

TORCH = digit_version(torch.__version__)
TINY = dict(depths=(1, 1, 5, 1), embed_dims=(16, 32, 64, 96), head_dim=16)


def tiny(**kwargs):
    torch.manual_seed(0)
    return UniFormer(**{'arch': TINY, **kwargs})


@pytest.fixture(scope='module')
def model():
    """A small backbone with weights that make every part matter."""
    return fill(tiny()).eval()


# Paper, Table 1, without classifier and with the norms of the outputs.
@pytest.mark.parametrize(
    ('arch', 'published'),
    [
        ('small', 21.5),
        ('small_plus', 24.0),
        ('small_plus_dim64', 24.0),
        ('base', 49.8),
        ('base_ls', 49.8),
        ('large', 100.2),
    ],
)
def test_published_sizes(arch, published):
    with torch.device('meta'):
        model = UniFormer(arch)
    params = sum(p.numel() for p in model.parameters()) / 1e6
    width = model.arch.embed_dims[-1]
    classifier = (width + 1) * 1000 / 1e6
    assert params + classifier == pytest.approx(published, rel=0.01)


def test_large_layer_scale_shapes():
    with torch.device('meta'):
        model = UniFormer('large')
    assert model.blocks1[0].gamma_1.shape == (1, 128, 1, 1)
    assert model.blocks4[0].gamma_2.shape == (640,)
    with torch.device('meta'):
        model = UniFormer('base_ls')
    assert model.blocks1[0].gamma_1 is None
    assert next(iter(model.blocks3[0].state_dict())) == 'gamma_1'


@pytest.mark.parametrize(
    ('kwargs', 'words'),
    [
        (dict(arch='tiny'), ['arch', 'small_plus', 'tiny']),
        (dict(arch=dict(depths=(1, 1, 1, 1))), ['embed_dims']),
        (dict(arch={**TINY, 'heads': 2}), ['heads', 'head_dim']),
        (dict(arch={**TINY, 'depths': (1, 1, 0, 1)}), ['depths']),
        (dict(arch={**TINY, 'head_dim': 48}), ['head_dim', '64']),
        (dict(stage3='swin'), ['stage3', 'hybrid']),
        (dict(window_size=0), ['window_size']),
        (dict(test_stage3=dict(stage3='local')), ['stage3', 'local']),
        (dict(test_stage3=dict(window=32)), ['test_stage3', 'window_size']),
        (dict(stage_types='LLG'), ['stage_types']),
        (dict(out_indices=(4,)), ['out_indices']),
        (dict(out_indices=()), ['out_indices']),
        (dict(frozen_stages=5), ['frozen_stages']),
        (dict(drop_path_rate=1.0), ['drop_path_rate']),
        (dict(drop_rate=-0.1), ['drop_rate']),
        (dict(with_cp=[1, 2]), ['with_cp']),
        (dict(with_cp=[0, 0, -1, 0]), ['with_cp']),
        (dict(local_size=4), ['local_size']),
    ],
)
def test_wrong_arguments_are_named(kwargs, words):
    with pytest.raises(ValueError, match=words[0]) as error:
        tiny(**kwargs)
    assert all(word in str(error.value) for word in words)


def test_image_too_small(model):
    with pytest.raises(ValueError, match='31 x 40 pixels is too small'):
        model(torch.rand(1, 3, 31, 40))


@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(32, 90),
    width=st.integers(32, 90),
    window=st.integers(1, 9),
    stage3=st.sampled_from(['global', 'window', 'hybrid']),
)
def test_any_size_and_window(height, width, window, stage3):
    model = tiny(stage3=stage3, window_size=window).eval()
    with torch.no_grad():
        outs = model(torch.rand(1, 3, height, width))
    h, w = height // 4, width // 4
    for out, dim in zip(outs, TINY['embed_dims'], strict=True):
        assert out.shape == (1, dim, h, w)
        assert out.isfinite().all()
        h, w = h // 2, w // 2


def test_outputs_are_laid_out_as_compiled_ops_read_them(model):
    """mmcv's compiled ops do not look at strides."""
    for channels_last in (False, True):
        x = torch.rand(2, 3, 64, 96)
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        assert all(out.is_contiguous() for out in model(x))


def test_large_window_is_global():
    """A window that the map fits into exactly sees what global attention
    sees; smaller ones do not."""
    x = torch.rand(2, 3, 96, 96)
    outs = [
        fill(tiny(stage3=style, window_size=size)).eval()(x)[-1]
        for style, size in [('global', 3), ('window', 6), ('window', 3)]
    ]
    torch.testing.assert_close(outs[0], outs[1])
    assert not torch.allclose(outs[0], outs[2], atol=1e-3)


def test_hybrid_is_three_windows_then_global():
    model = tiny(stage3='hybrid', window_size=7)
    assert model.train_windows == [7, 7, 7, None, 7]


def test_padding_takes_part_as_keys():
    """Outside of the image a window attends to zeros after the norm."""
    model = fill(tiny(stage3='window', window_size=4)).eval()
    attention = model.blocks3[0].attn
    x = torch.rand(1, 64, 3, 2)
    padded = torch.zeros(1, 64, 4, 4)
    padded[:, :, :3, :2] = x
    expected = attention(padded)[:, :, :3, :2]
    torch.testing.assert_close(attention(x, window_size=4), expected)


def test_test_stage3_changes_eval_only():
    other = dict(stage3='window', window_size=3)
    model = fill(tiny(test_stage3=other))
    windowed = fill(tiny(**other)).eval()
    global_ = fill(tiny())
    x = torch.rand(2, 3, 96, 96)
    for out, expected in zip(model.eval()(x), windowed(x), strict=True):
        torch.testing.assert_close(out, expected)
    # A frozen stage is in eval mode, but its style is that of training.
    for frozen in (-1, 4):
        model.frozen_stages = global_.frozen_stages = frozen
        outs = model.train()(x)
        expected = global_.train()(x)
        torch.testing.assert_close(outs[-1], expected[-1])


def test_eager_attention_agrees(model):
    """The fused attention is equation 7."""
    attention = model.blocks3[0].attn
    x = torch.rand(2, 64, 5, 6)
    tokens = x.flatten(2).transpose(1, 2)
    qkv = attention.qkv(tokens).reshape(2, 30, 3, 4, 16)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-1, -2) / 4).softmax(-1)
    expected = attention.proj((weights @ v).transpose(1, 2).flatten(2))
    expected = expected.transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(attention(x), expected)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(stage_types='LLLL'),
        dict(stage_types='LLLG'),
        dict(stage_types='LGGG'),
        dict(stage_types='GGGG'),
        dict(use_dpe=False),
        dict(local_ffn=False),
        dict(local_size=3),
        dict(local_size=9),
    ],
)
def test_ablations_of_table_15(kwargs):
    model = tiny(**kwargs)
    outs = model(torch.rand(2, 3, 64, 64))
    sum(out.square().mean() for out in outs).backward()
    assert all(p.grad is not None for p in model.parameters())
    names = {k for k, _ in model.named_parameters()}
    types = kwargs.get('stage_types', 'LLGG')
    for stage, kind in enumerate(types, 1):
        has_attention = f'blocks{stage}.0.attn.qkv.weight' in names
        assert has_attention == (kind == 'G')
    assert any('pos_embed' in n for n in names) == model_has_dpe(kwargs)
    size = kwargs.get('local_size', 5)
    if 'blocks1.0.conv1.weight' in names:
        assert model.blocks1[0].attn.kernel_size == (size, size)


def model_has_dpe(kwargs):
    return kwargs.get('use_dpe', True)


@pytest.mark.parametrize(
    ('kwargs', 'published'),
    [
        (dict(), 21.5),
        (dict(local_ffn=False), 21.3),
        (dict(local_size=7), 21.6),
    ],
)
def test_sizes_of_table_15(kwargs, published):
    with torch.device('meta'):
        model = UniFormer('small', **kwargs)
    params = sum(p.numel() for p in model.parameters())
    classifier = 513 * 1000
    assert (params + classifier) / 1e6 == pytest.approx(published, abs=0.08)


@pytest.mark.parametrize('out_indices', [(0,), (1, 3), (3,), (2, 0)])
def test_no_unused_parameters(out_indices):
    model = tiny(out_indices=out_indices)
    outs = model(torch.rand(2, 3, 64, 64))
    assert len(outs) == len(out_indices)
    sum(out.square().mean() for out in outs).backward()
    unused = [k for k, p in model.named_parameters() if p.grad is None]
    assert unused == []


def test_out_indices_are_the_same_maps(model):
    x = torch.rand(1, 3, 64, 64)
    part = fill(tiny(out_indices=(0, 2))).eval()
    expected = model(x)
    torch.testing.assert_close(part(x), (expected[0], expected[2]))


@pytest.mark.parametrize('with_cp', [True, [1, 2, 3, 0]])
def test_checkpointing_changes_nothing(with_cp):
    x = torch.rand(2, 3, 64, 64)
    results = []
    for cp in (False, with_cp):
        model = fill(tiny(with_cp=cp, stage3='hybrid', drop_path_rate=0.2))
        torch.manual_seed(1)
        outs = model(x)
        sum(out.square().mean() for out in outs).backward()
        grads = {k: p.grad for k, p in model.named_parameters()}
        results.append((outs, grads, dict(model.named_buffers())))
    torch.testing.assert_close(results[0], results[1])


def test_checkpointing_saves_memory():
    def saved(with_cp):
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.numel()
            return tensor

        model = tiny(with_cp=with_cp)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
            model(torch.rand(1, 3, 128, 128))
        return total

    assert saved([0, 0, 5, 0]) < saved(False)
    assert saved(True) < 0.3 * saved(False)


def test_frozen_stages_and_norm_eval():
    model = tiny(frozen_stages=2, norm_eval=True).train()
    assert model.train() is model
    trainable = {k for k, p in model.named_parameters() if p.requires_grad}
    assert not any(
        k.startswith(('patch_embed1', 'patch_embed2', 'blocks1', 'blocks2'))
        for k in trainable
    )
    assert {'norm1.weight', 'norm2.weight', 'patch_embed3.proj.weight'} <= (
        trainable
    )
    before = copy.deepcopy(dict(model.named_buffers()))
    model(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(dict(model.named_buffers()), before)
    assert not model.blocks1.training
    assert model.blocks3.training

    partly = tiny(frozen_stages=0).train()
    frozen = {k for k, p in partly.named_parameters() if not p.requires_grad}
    assert {k.split('.')[0] for k in frozen} == {'patch_embed1'}
    norms = [m for m in partly.modules() if isinstance(m, _BatchNorm)]
    assert all(m.training for m in norms)


def test_drop_path_drops_whole_samples():
    model = tiny(drop_path_rate=0.9).train()
    block = model.blocks4[0]
    assert block.drop_path_rate == pytest.approx(0.9)
    assert model.blocks1[0].drop_path_rate == 0
    block.pos_embed = None
    x = torch.rand(256, 96, 2, 2)
    changed = (block(x) != x).flatten(1).any(1).float().mean()
    # Each of two branches stays with probability 0.1.
    assert 0.1 < changed < 0.3
    torch.testing.assert_close(block.eval()(x), block(x))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    if dtype is torch.float16 and digit_version('2.3') > TORCH:
        pytest.skip('this torch has no float16 autocast on CPU')
    model = fill(tiny(stage3='hybrid', window_size=3)).train()
    x = torch.rand(2, 3, 96, 64)
    expected = fill(tiny(stage3='hybrid', window_size=3)).train()(x)
    with torch.autocast('cpu', dtype=dtype):
        outs = model(x)
        loss = sum(out.float().square().mean() for out in outs)
    loss.backward()
    for out, reference in zip(outs, expected, strict=True):
        error = (out.float() - reference).norm() / reference.norm()
        assert error < 0.05
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.skipif(
    digit_version('2.4') > TORCH, reason='older compilers graph-break'
)
def test_compiled_equals_eager():
    # A hybrid of two blocks: the compiler takes its time for each.
    arch = {**TINY, 'depths': (1, 1, 2, 1)}
    model = fill(tiny(arch=arch, out_indices=(2,))).eval()
    model.test_windows = [3, None]
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    for size in (64, 96):
        x = torch.rand(1, 3, size, size)
        with torch.no_grad():
            torch.testing.assert_close(compiled(x), model(x))


def test_compiled_training_with_checkpointing():
    x = torch.rand(2, 3, 64, 64)
    grads = []
    arch = {**TINY, 'depths': (1, 1, 2, 1)}
    for compile_it in (False, True):
        model = fill(tiny(arch=arch, out_indices=(2,), with_cp=[0, 0, 1, 0]))
        run = (
            torch.compile(model, backend='aot_eager') if compile_it else model
        )
        sum(out.square().mean() for out in run(x)).backward()
        grads.append({k: p.grad for k, p in model.named_parameters()})
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-3, atol=1e-5)


def test_no_state_between_calls(model):
    """Any order, batch or thread gives the same output."""
    images = [torch.rand(1, 3, 64, 64) for _ in range(4)]
    with torch.no_grad():
        alone = [model(x)[-1] for x in images]
        together = model(torch.cat(images))[-1]
    torch.testing.assert_close(torch.cat(alone), together)
    results = {}

    def run(i):
        with torch.no_grad():
            results[i] = model(images[i])[-1]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        torch.testing.assert_close(results[i], alone[i])


def test_init_weights_are_the_papers():
    model = tiny()
    model.init_weights()
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    weights = torch.cat([m.weight.flatten() for m in linears])
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)
    assert all((m.bias == 0).all() for m in linears)
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in norms)


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmpose', 'mmaction'])
def test_prefix_finds_ours_in_every_scope(scope):
    """mmaction2 has a UniFormer of its own."""
    init_default_scope(scope)
    model = MODELS.build(dict(type='mmuniformer.UniFormer', arch=TINY))
    assert type(model) is UniFormer


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('dtype', [None, torch.bfloat16, torch.float16])
def test_cuda_agrees_with_cpu(dtype):
    model = fill(tiny(stage3='hybrid', window_size=3)).eval()
    x = torch.rand(2, 3, 96, 160)
    with torch.no_grad():
        expected = model(x)
        with torch.autocast('cuda', dtype=dtype, enabled=dtype is not None):
            outs = model.cuda()(x.cuda())
    limit = 1e-4 if dtype is None else 5e-2
    for out, reference in zip(outs, expected, strict=True):
        error = (out.float().cpu() - reference).norm() / reference.norm()
        assert error < limit
