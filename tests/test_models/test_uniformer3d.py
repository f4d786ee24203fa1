"""Settings and behaviour of the video backbone."""

import pytest
import torch
from golden_data import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import digit_version

from mmuniformer.models import UniFormer3D
from mmuniformer.models.layers import DividedBlock, SelfAttention

TORCH = digit_version(torch.__version__)
TINY = dict(depths=(1, 1, 2, 1), embed_dims=(16, 32, 64, 96), head_dim=16)
ATTENTIONS = ('joint', 'divided')


def tiny(**kwargs):
    torch.manual_seed(0)
    return UniFormer3D(**{'arch': TINY, **kwargs})


def clips(batch=2, frames=4, side=32):
    torch.manual_seed(1)
    return torch.rand(batch, 3, frames, side, side)


@pytest.fixture(scope='module', params=ATTENTIONS)
def model(request):
    """A small backbone with weights that make every part matter."""
    return fill(tiny(attention=request.param)).eval()


# The official models with 400 classes.
@pytest.mark.parametrize(
    ('kwargs', 'official'),
    [
        (dict(arch='small'), 21_400_400),
        (dict(arch='base'), 49_813_200),
        (dict(attention='divided'), 27_847_504),
        (dict(temporal_embed=True), 23_104_336),
    ],
)
def test_official_sizes(kwargs, official):
    with torch.device('meta'):
        model = UniFormer3D(**kwargs)
    params = sum(p.numel() for p in model.parameters())
    assert params + (512 + 1) * 400 == official


@pytest.mark.parametrize(
    ('kwargs', 'words'),
    [
        (dict(arch='large'), ['arch', 'base', 'large']),
        (dict(attention='separate'), ['attention', 'divided', 'separate']),
        (dict(depth=(1, 1)), ['depths', '(1, 1)']),
        (dict(embed_dim=(16, 32, 64, 0)), ['embed_dims']),
        (dict(head_dim=48), ['head_dim', '64']),
        (dict(kv_strides=(1, 1, 1)), ['kv_strides']),
        (dict(out_indices=(4,)), ['out_indices']),
        (dict(with_cp=[1]), ['with_cp']),
    ],
)
def test_wrong_arguments_are_named(kwargs, words):
    with pytest.raises(ValueError, match=words[0]) as error:
        tiny(**kwargs)
    assert all(word in str(error.value) for word in words)


def test_clip_too_small(model):
    with pytest.raises(ValueError, match='31 x 40 pixels is too small'):
        model(torch.rand(1, 3, 4, 31, 40))


def test_image_instead_of_a_clip(model):
    with pytest.raises(
        ValueError, match='B x C x T x H x W, and this one is 2 x 3 x 64 x 64'
    ):
        model(torch.rand(2, 3, 64, 64))


@settings(max_examples=10, deadline=None)
@given(
    frames=st.integers(1, 7),
    height=st.integers(32, 70),
    width=st.integers(32, 70),
    attention=st.sampled_from(ATTENTIONS),
    temporal_embed=st.booleans(),
)
def test_any_size(frames, height, width, attention, temporal_embed):
    model = tiny(attention=attention, temporal_embed=temporal_embed).eval()
    with torch.no_grad():
        out = model(torch.rand(1, 3, frames, height, width))
    assert out.shape == (1, 96, (frames + 1) // 2, height // 32, width // 32)
    assert out.isfinite().all()


def test_several_levels():
    """A tuple for a neck; the last level is what recognition reads."""
    x = clips(side=64)
    pyramid = fill(tiny(out_indices=(1, 2, 3))).eval()
    outs = pyramid(x)
    assert [tuple(out.shape[1:]) for out in outs] == [
        (32, 2, 8, 8),
        (64, 2, 4, 4),
        (96, 2, 2, 2),
    ]
    torch.testing.assert_close(outs[-1], fill(tiny()).eval()(x))
    names = {k.split('.')[0] for k in pyramid.state_dict() if 'norm' in k}
    assert {'norm', 'norm2', 'norm3'} <= names
    # A level that is not asked for may be in the file.
    level = tiny(out_indices=(2,))
    level.load_state_dict(pyramid.state_dict())
    torch.testing.assert_close(level.eval()(x), outs[1])


def test_divided_block_is_the_official_one():
    """Time, then frames; the residual is from before both."""
    block = DividedBlock(3, 32, num_heads=2, mlp_ratio=2)
    block = fill(block).double().eval()
    x = torch.rand(2, 32, 3, 4, 5, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last_3d)

    def attend(attention, tokens):
        """Tokens (N, C), all by all."""
        q, k, v = attention.qkv(tokens).reshape(-1, 3, 2, 16).unbind(1)
        out = torch.empty_like(v)
        for head in range(2):
            scores = q[:, head] @ k[:, head].T / 4
            out[:, head] = scores.softmax(-1) @ v[:, head]
        return attention.proj(out.flatten(1))

    with torch.no_grad():
        base = x + block.pos_embed(x)
        timed, expected = base.clone(), base.clone()
        for b in range(2):
            for h in range(4):
                for w in range(5):
                    tokens = block.t_norm(base)[b, :, :, h, w].T
                    timed[b, :, :, h, w] += attend(block.t_attn, tokens).T
            for t in range(3):
                tokens = block.norm1(timed)[b, :, t].flatten(1).T
                frame = attend(block.attn, tokens).T.reshape(32, 4, 5)
                expected[b, :, t] += frame
        expected = expected + block.mlp(block.norm2(expected))
        out = block(x)
    torch.testing.assert_close(out, expected)
    assert out.is_contiguous(memory_format=torch.channels_last_3d)


def test_pooled_keys_keep_the_frames():
    """Cells span space; a cell larger than the map is all of it."""
    attention = SelfAttention(32, 2, kv_stride=4)
    x = torch.rand(1, 32, 3, 4, 4)
    x[:, :, 0] += 1
    seen = []
    linear = torch.nn.functional.linear

    def record(tokens, *args):
        seen.append(tokens.shape[1])
        return linear(tokens, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, 'linear', record)
        attention(x)
    assert seen[:2] == [48, 3]


def test_no_inflation_looks_at_single_frames():
    """Local blocks mix no frames; joint attention and the stem do."""
    model = fill(tiny(inflate=False)).eval()
    spans = {
        m.kernel_size[0]
        for m in model.modules()
        if isinstance(m, torch.nn.Conv3d) and m.groups > 1
    }
    assert spans == {1}
    assert model.patch_embed1.proj.kernel_size == (3, 4, 4)
    x = torch.rand(1, 16, 4, 8, 8)
    changed = x.clone()
    changed[:, :, 2] += 1
    for inflate, touched in ((False, [2]), (True, [0, 1, 2, 3])):
        block = fill(tiny(inflate=inflate)).eval().blocks1[0]
        difference = (block(changed) - block(x)).abs().amax((0, 1, 3, 4))
        assert difference.nonzero().flatten().tolist() == touched


def test_temporal_embed_spans_frames():
    model = tiny(temporal_embed=True)
    for i, kernel in enumerate([(3, 4, 4), (3, 2, 2), (3, 2, 2), (3, 2, 2)]):
        proj = getattr(model, f'patch_embed{i + 1}').proj
        assert proj.kernel_size == kernel
        assert proj.stride == ((2, 4, 4) if i == 0 else (1, 2, 2))


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(attention='divided'),
        dict(attention='divided', stage_types='GGGG'),
        dict(stage_types='LLLL'),
        dict(stage_types='LGGG', kv_strides=(1, 2, 2, 1)),
        dict(inflate=False, local_ffn=False),
        dict(temporal_embed=True, use_dpe=False),
        dict(arch={**TINY, 'conv_stem': True}),
    ],
)
def test_ablations_train(kwargs):
    model = tiny(drop_path_rate=0.1, **kwargs)
    model(clips()).square().mean().backward()
    unused = [k for k, p in model.named_parameters() if p.grad is None]
    assert unused == []


@pytest.mark.parametrize(
    ('with_cp', 'attention'), [(True, 'divided'), ([0, 1, 1, 0], 'joint')]
)
def test_checkpointing_changes_nothing(with_cp, attention):
    results = []
    for cp in (False, with_cp):
        model = fill(tiny(with_cp=cp, drop_path_rate=0.2, attention=attention))
        torch.manual_seed(1)
        out = model(clips())
        out.square().mean().backward()
        grads = {k: p.grad for k, p in model.named_parameters()}
        results.append((out, grads, dict(model.named_buffers())))
    torch.testing.assert_close(results[0], results[1])


def test_frozen_stages_and_norm_eval():
    model = tiny(frozen_stages=2, norm_eval=True).train()
    trained = {
        k.split('.')[0] for k, p in model.named_parameters() if p.requires_grad
    }
    assert trained == {
        'patch_embed3',
        'blocks3',
        'patch_embed4',
        'blocks4',
        'norm',
    }
    assert not model.norm.training
    assert model.blocks3.training


def test_drop_path_drops_each_branch_of_a_divided_block():
    block = DividedBlock(3, 16, drop_path_rate=0.5, use_dpe=False)
    # Attention over time starts as nothing.
    block = fill(block).train()
    torch.nn.init.zeros_(block.attn.proj.weight)
    torch.nn.init.zeros_(block.mlp.fc2.weight)
    x = torch.rand(64, 16, 2, 2, 2)
    # Only attention over time is left, in front of the one within frames.
    seen = []
    block.norm1.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    block(x)
    changed = (seen[0] != x).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.8
    seen.clear()
    block.eval()(x)
    assert (seen[0] != x).flatten(1).any(1).all()


def test_autocast(model):
    x = clips()
    with torch.no_grad():
        expected = model(x)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            out = model(x)
    error = (out.float() - expected).norm() / expected.norm()
    assert error < 0.05


@pytest.mark.skipif(
    digit_version('2.4') > TORCH, reason='older compilers graph-break'
)
@pytest.mark.parametrize('attention', ATTENTIONS)
def test_compiled_equals_eager(attention):
    torch._dynamo.reset()
    arch = dict(TINY, depths=(1, 1, 1, 1))
    model = fill(tiny(arch=arch, attention=attention)).eval()
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    with torch.no_grad():
        x = clips(batch=1)
        torch.testing.assert_close(compiled(x), model(x))


def test_clips_of_a_batch_are_independent(model):
    x = clips(batch=3)
    with torch.no_grad():
        alone = torch.cat([model(clip[None]) for clip in x])
        torch.testing.assert_close(model(x), alone)


def test_names_of_mmaction2():
    """`depth`, `embed_dim` and `head_dim` stand in for those of arch."""
    theirs = tiny(
        arch='base',
        depth=[1, 1, 2, 1],
        embed_dim=[16, 32, 64, 96],
        head_dim=16,
    )
    assert theirs.arch == tiny().arch
    with torch.device('meta'):
        model = UniFormer3D('base', depth=(1, 1, 1, 1))
    assert model.arch.embed_dims == (64, 128, 320, 512)


def test_prefix_finds_ours_beside_mmaction2s():
    pytest.importorskip('mmaction')
    init_default_scope('mmaction')
    model = MODELS.build(dict(type='mmuniformer.UniFormer3D', arch=TINY))
    assert type(model) is UniFormer3D


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('dtype', [None, torch.bfloat16])
def test_cuda_agrees_with_cpu(model, dtype):
    x = clips()
    with torch.no_grad():
        expected = model(x)
        with torch.autocast('cuda', dtype=dtype, enabled=dtype is not None):
            out = model.cuda()(x.cuda())
    model.cpu()
    limit = 1e-4 if dtype is None else 5e-2
    error = (out.float().cpu() - expected).norm() / expected.norm()
    assert error < limit
