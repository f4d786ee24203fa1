"""Settings and behaviour of the light backbones."""

import copy
import threading

import pytest
import torch
from golden_data import (
    CASES,
    KeptSets,
    fill,
    make_input,
    make_loss,
    recorded,
    relative_l2,
    samples,
    scale_qkv,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import digit_version
from torch import nn

from mmuniformer.models import UniFormerLight, UniFormerLight3D
from mmuniformer.models.layers import HourglassBlock, hourglass

TORCH = digit_version(torch.__version__)
TINY = dict(
    depths=(1, 1, 3, 2), embed_dims=(16, 32, 64, 96), head_dim=16, mlp_ratio=3
)
CLASSIFIER = dict(classifier=True, with_token=True, out_indices=(3,))
BOTH = (UniFormerLight, UniFormerLight3D)


def tiny(cls=UniFormerLight, **kwargs):
    torch.manual_seed(0)
    return cls(**{'arch': TINY, **kwargs})


def sharp(cls=UniFormerLight, **kwargs):
    """With weights that make blocks keep different tokens."""
    return scale_qkv(fill(tiny(cls, **kwargs)), 2)


def images(cls=UniFormerLight, batch=2, side=64, seed=0):
    torch.manual_seed(seed)
    frames = (4,) if cls.ndim == 3 else ()
    return torch.randn(batch, 3, *frames, side, side)


def as_tuple(outs):
    return (outs,) if isinstance(outs, torch.Tensor) else outs


@pytest.fixture
def kept_sets(monkeypatch):
    return KeptSets(monkeypatch)


# Paper, Tables 11 and 12, with both classifiers.
@pytest.mark.parametrize(
    ('cls', 'arch', 'classes', 'published'),
    [
        (UniFormerLight, 'xxs', 1000, 10.2),
        (UniFormerLight, 'xs', 1000, 16.5),
        (UniFormerLight3D, 'xxs', 400, 10.4),
        (UniFormerLight3D, 'xs', 400, 16.7),
    ],
)
def test_published_sizes(cls, arch, classes, published):
    settings = dict(with_token=True)
    if cls.ndim == 2:
        settings = CLASSIFIER
    with torch.device('meta'):
        model = cls(arch, **settings)
    params = sum(p.numel() for p in model.parameters())
    params += 2 * classes * (model.arch.embed_dims[3] + 1)
    assert params / 1e6 == pytest.approx(published, rel=0.06)


@pytest.mark.parametrize(
    ('kwargs', 'words'),
    [
        (dict(arch='small'), ['arch', 'xxs', 'small']),
        (dict(keep_ratio=0), ['keep_ratio', '(0, 1]']),
        (dict(keep_ratio=1.5), ['keep_ratio', '1.5']),
        (dict(keep_ratio='half'), ['keep_ratio', 'half']),
        (dict(stage_types='LLLG'), ['stage_types', 'LLGG']),
        (dict(with_token=True), ['with_token', 'classifier']),
        (
            dict(with_token=True, classifier=True),
            ['with_token', 'out_indices'],
        ),
        (dict(CLASSIFIER, score_token=False), ['with_token', 'score_token']),
        (dict(arch={**TINY, 'head_dim': 48}), ['head_dim', '64']),
        (dict(frozen_stages=5), ['frozen_stages']),
        (dict(kv_strides=(4, 2, 2, 1)), ['kv_strides', 'keep_ratio']),
    ],
)
def test_wrong_arguments_are_named(kwargs, words):
    with pytest.raises(ValueError, match=words[0]) as error:
        tiny(**kwargs)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize('cls', BOTH)
def test_smallest_image(cls):
    model = tiny(cls).eval()
    outs = as_tuple(model(images(cls, side=29)))
    assert outs[-1].shape[-2:] == (1, 1)
    with pytest.raises(ValueError, match='28 x 28 pixels is too small'):
        model(images(cls, side=28))


@pytest.mark.parametrize('cls', BOTH)
def test_embeddings_that_round_up(cls):
    """Overlapping ones: importance is halved as they halve the map."""
    model = tiny(cls, arch={**TINY, 'conv_stem': True}).eval()
    outs = as_tuple(model(images(cls, side=65)))
    assert outs[-1].shape[-2:] == (3, 3)


@settings(max_examples=12, deadline=None)
@given(
    cls=st.sampled_from(BOTH),
    height=st.integers(29, 90),
    width=st.integers(29, 90),
    frames=st.integers(1, 5),
    keep_ratio=st.floats(0.01, 1),
    score_token=st.booleans(),
)
def test_any_size_and_ratio(
    cls, height, width, frames, keep_ratio, score_token
):
    """And samples of a batch have nothing to do with each other."""
    size = (height, width) if cls.ndim == 2 else (frames, height, width)
    model = sharp(cls, keep_ratio=keep_ratio, score_token=score_token)
    model = model.double().eval()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        outs = as_tuple(model(x))
        alone = as_tuple(model(x[1:]))
    h, w = -(-height // 4), -(-width // 4)
    shapes = [(h // 2**i, w // 2**i) for i in range(4)]
    if cls.ndim == 3:
        shapes = [(-(-frames // 2), *shapes[3])]
    assert [out.shape[2:] for out in outs] == shapes
    for out, single in zip(outs, alone, strict=True):
        assert out.isfinite().all()
        torch.testing.assert_close(out[1:], single)


def test_gradients_in_eval_mode():
    """Those of training, where BatchNorm uses its statistics in both."""
    case_id = 'det_xxs_train_normeval_224'
    case = CASES[case_id]
    model = fill(UniFormerLight('xxs')).double().eval()
    x = make_input(case).double().requires_grad_()
    make_loss(model(x)).backward()
    expected = recorded(case_id)['grad_input__f64']
    assert relative_l2(samples(x.grad), expected) <= 1e-10
    for name, parameter in model.named_parameters():
        l2 = case['grad']['params_l2_f64'][name]
        assert parameter.grad.norm().item() == pytest.approx(l2, rel=1e-10)


@pytest.mark.parametrize('cls', BOTH)
def test_nothing_is_written_in_forward(cls):
    model = sharp(cls).eval()
    before = {n: dict(m.__dict__) for n, m in model.named_modules()}
    globals_before = dict(vars(hourglass))
    first = as_tuple(model(images(cls)))
    model(images(cls, side=96, seed=1))
    again = as_tuple(model(images(cls)))
    after = {n: dict(m.__dict__) for n, m in model.named_modules()}
    assert before == after
    assert dict(vars(hourglass)) == globals_before
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_two_models_interleaved_in_two_threads():
    """They take turns, block by block, and give what each gives alone."""
    models = [sharp().eval(), sharp(keep_ratio=0.3).eval()]
    inputs = [images(side=64, seed=1), images(side=96, seed=2)]
    alone = [
        [out.detach() for out in model(x)]
        for model, x in zip(models, inputs, strict=True)
    ]
    turns = threading.Barrier(2, timeout=60)

    def wait(*_):
        turns.wait()

    for model in models:
        for module in model.modules():
            if isinstance(module, HourglassBlock):
                module.register_forward_pre_hook(wait)
    results, gradients = {}, {}

    def run(i):
        outs = models[i](inputs[i])
        results[i] = outs
        make_loss(outs).backward()
        gradients[i] = models[i].cls_token.grad

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        for out, expected in zip(results[i], alone[i], strict=True):
            assert torch.equal(out, expected)
        assert gradients[i].abs().sum() > 0


@pytest.mark.parametrize('cls', BOTH)
@pytest.mark.parametrize('with_cp', [True, [0, 0, 2, 0]])
def test_checkpointing_changes_nothing(cls, with_cp):
    results = []
    for cp in (False, with_cp):
        model = sharp(cls, with_cp=cp, drop_path_rate=0.2)
        torch.manual_seed(1)
        outs = as_tuple(model(images(cls)))
        sum(out.square().mean() for out in outs).backward()
        grads = {k: p.grad for k, p in model.named_parameters()}
        results.append((outs, grads, dict(model.named_buffers())))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize('cls', BOTH)
@pytest.mark.parametrize(
    'kwargs',
    [
        dict(),
        dict(out_indices=(0,)),
        dict(out_indices=(1, 2)),
        dict(keep_ratio=1.0),
        dict(score_token=False),
        dict(running_mean=False),
        dict(layer_scale_init_value=0.1),
        CLASSIFIER,
    ],
)
def test_no_unused_parameters(cls, kwargs):
    if cls.ndim == 3:
        kwargs = {k: v for k, v in kwargs.items() if k != 'classifier'}
    model = tiny(cls, **kwargs)
    outs = as_tuple(model(images(cls)))
    sum(out.square().mean() for out in outs).backward()
    unused = [k for k, p in model.named_parameters() if p.grad is None]
    assert unused == []


def test_score_token_output():
    """The last map is a classifier's, and the token stands beside it."""
    for cls in BOTH:
        kwargs = dict(out_indices=(3,))
        if cls.ndim == 2:
            kwargs['classifier'] = True
        model = sharp(cls, with_token=True, **kwargs).eval()
        features, token = model(images(cls))
        assert features.shape[:2] == (2, 96)
        assert token.shape == (2, 96, *(1,) * cls.ndim)
        (alone,) = as_tuple(sharp(cls, **kwargs).eval()(images(cls)))
        assert torch.equal(alone, features)


def test_designs_of_table_23_differ(kept_sets):
    """The switches change which tokens blocks keep."""
    x = images(side=96)
    seen = []
    for kwargs in (
        dict(),
        dict(score_token=False),
        dict(running_mean=False),
        dict(keep_ratio=0.25),
    ):
        with torch.no_grad():
            sharp(**kwargs).eval()(x)
        seen.append(
            [kept.sort(1).values.tolist() for kept in kept_sets.take()]
        )
    assert all(len(sets) == 4 for sets in seen)
    assert all(seen[0] != other for other in seen[1:])
    names = {k for k, _ in tiny(score_token=False).named_parameters()}
    assert not any(name.startswith('cls_') for name in names)


def test_frozen_stages():
    model = tiny(frozen_stages=3).train()
    trainable = {k for k, p in model.named_parameters() if p.requires_grad}
    assert 'cls_token' not in trainable
    assert {'cls_upsample.weight', 'blocks4.0.norm1.weight'} <= trainable
    assert not any(k.startswith('blocks3') for k in trainable)
    everything = tiny(frozen_stages=4).train()
    left = {k for k, p in everything.named_parameters() if p.requires_grad}
    assert {k.split('.')[0] for k in left} == {f'norm{i}' for i in range(1, 5)}


def test_init_weights_are_the_papers():
    model = tiny()
    model.init_weights()
    assert (model.cls_token == 0).all()
    linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert model.cls_upsample in linears
    weights = torch.cat([m.weight.flatten() for m in linears])
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize('scope', ['mmdet', 'mmseg', 'mmaction', 'mmpretrain'])
def test_prefix_finds_ours_in_every_scope(scope):
    init_default_scope(scope)
    for cls in BOTH:
        cfg = dict(type=f'mmuniformer.{cls.__name__}', arch=TINY)
        assert type(MODELS.build(cfg)) is cls


# Heads of XXS, and early stages that take a moment in float16.
SHALLOW = dict(
    depths=(1, 1, 3, 2),
    embed_dims=(8, 16, 112, 224),
    head_dim=28,
    mlp_ratio=3,
)


def run_shallow(size, keep_ratio, dtype=None, how=None):
    """Maps of an image of a size, in float32 or in half precision."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, *size)
    model = sharp(arch=SHALLOW, keep_ratio=keep_ratio).eval()
    if how == 'weights':
        model, x = model.to(dtype), x.to(dtype)
    cast = how == 'autocast'
    with torch.no_grad(), torch.autocast('cpu', dtype, enabled=cast):
        return [out.double() for out in model(x)]


@pytest.fixture(scope='module', params=[(512, 512), (640, 1024)], ids=str)
def in_float32(request):
    """Of 1024 or 2560 tokens: all kept, half of them, and which half."""
    with pytest.MonkeyPatch.context() as patch:
        kept_sets = KeptSets(patch)
        full = run_shallow(request.param, 1.0)
        half = run_shallow(request.param, 0.5)
        return request.param, full, half, kept_sets.take()


@pytest.mark.parametrize('how', ['autocast', 'weights'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(in_float32, dtype, how, kept_sets):
    """1024 and 2560 tokens, where half precision has lost count of them.

    What a model errs, it errs without shrinking too; otherwise near-ties of
    the scores decide: with the tokens that float32 keeps, the error is that
    of a model that keeps all, and nearly all tokens are the same.
    """
    if dtype is torch.float16 and digit_version('2.3') > TORCH:
        pytest.skip('this torch has no float16 autocast on CPU')
    size, full, references, exact = in_float32

    def errors(outs, references):
        return [
            ((out - reference).norm() / reference.norm()).item()
            for out, reference in zip(outs, references, strict=True)
        ]

    usual = errors(run_shallow(size, 1.0, dtype, how), full)
    actual = errors(run_shallow(size, 0.5, dtype, how), references)
    sets = kept_sets.take()
    assert len(sets) == len(exact) == 4
    if all(a <= 3 * u for a, u in zip(actual, usual, strict=True)):
        return
    for kept, known in zip(sets, exact, strict=True):
        same = torch.isin(kept, known).float().mean()
        assert same >= 0.9
    kept_sets.replayed = list(exact)
    replayed = errors(run_shallow(size, 0.5, dtype, how), references)
    assert all(a <= 3 * u for a, u in zip(replayed, usual, strict=True))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_training(dtype):
    if dtype is torch.float16 and digit_version('2.3') > TORCH:
        pytest.skip('this torch has no float16 autocast on CPU')
    model = sharp(**CLASSIFIER)
    with torch.autocast('cpu', dtype):
        outs = model(images())
        loss = sum(out.float().square().mean() for out in outs)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.skipif(
    digit_version('2.4') > TORCH, reason='older compilers graph-break'
)
def test_compiled_equals_eager():
    model = sharp(arch={**TINY, 'depths': (1, 1, 2, 1)}).eval()
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    x = images(side=75)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x))


def test_copies_are_independent():
    model = sharp().eval()
    twin = copy.deepcopy(model)
    twin.cls_token.data.normal_()
    x = images()
    assert not torch.equal(model(x)[2], twin(x)[2])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('cls', BOTH)
@pytest.mark.parametrize('dtype', [None, torch.bfloat16, torch.float16])
def test_cuda_agrees_with_cpu(cls, dtype):
    model = fill(tiny(cls)).eval()
    x = images(cls, side=96)
    with torch.no_grad():
        expected = as_tuple(model(x))
        with torch.autocast('cuda', dtype=dtype, enabled=dtype is not None):
            outs = as_tuple(model.cuda()(x.cuda()))
    limit = 1e-4 if dtype is None else 0.1
    for out, reference in zip(outs, expected, strict=True):
        error = (out.float().cpu() - reference).norm() / reference.norm()
        assert error < limit
