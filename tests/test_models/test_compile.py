"""`compile=...` in a config: the backbone alone, in training and testing."""

import copy
import shutil

import pytest
import torch
import torch._dynamo
from golden_data import fill
from mmengine.registry import MODELS
from mmengine.utils import digit_version
from torch._dynamo.testing import CompileCounter

from mmuniformer.models import UniFormer, UniFormer3D, UniFormerLight

pytestmark = pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.4'),
    reason='older compilers graph-break',
)
TINY = dict(depths=(1, 1, 1, 1), embed_dims=(8, 16, 32, 32), head_dim=8)
# Of one class in parity and of others, with and without padded windows.
SIZES = [(64, 96), (96, 64), (128, 96), (96, 96), (112, 160), (80, 224)]


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ('cls', 'kwargs', 'training'),
    [
        (UniFormer, dict(stage3='window', window_size=3), True),
        (UniFormer, dict(stage3='window', window_size=3), False),
        (UniFormer3D, {}, False),
        (UniFormerLight, {}, False),
    ],
)
def test_one_compilation_for_all_sizes(cls, kwargs, training):
    """At first for the size it meets, then for all others."""
    counter = CompileCounter()
    model = cls(TINY, compile=dict(backend=counter), **kwargs)
    model.train(training)
    for size in SIZES:
        frames = (4,) if cls.ndim == 3 else ()
        with torch.set_grad_enabled(training):
            model(torch.rand(2, 3, *frames, *size))
    assert counter.frame_count == 2


needs_compiler = pytest.mark.skipif(
    shutil.which('g++') is None, reason='the compiler needs a C++ compiler'
)


def compiled_and_eager(stage_types, **arguments):
    """One stage, as a config builds it: the compiler takes its time."""
    cfg = dict(
        type='mmuniformer.UniFormer',
        arch=TINY,
        stage_types=stage_types,
        out_indices=(0,),
    )
    compiled = MODELS.build(dict(cfg, compile=arguments))
    return fill(compiled), fill(MODELS.build(cfg))


@needs_compiler
def test_the_real_compiler_trains():
    compiled, eager = compiled_and_eager('LGGG', dynamic=True)
    for size in ((64, 96), (96, 80)):
        x = torch.rand(2, 3, *size)
        for model in (compiled, eager):
            model.zero_grad()
            model.train()(x)[0].square().mean().backward()
        for (name, parameter), other in zip(
            compiled.named_parameters(), eager.parameters(), strict=True
        ):
            torch.testing.assert_close(
                parameter.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name
            )
    # BatchNorm has counted the same batches.
    torch.testing.assert_close(compiled.state_dict(), eager.state_dict())


@needs_compiler
def test_the_real_compiler_runs_the_deployment_form():
    compiled, eager = compiled_and_eager('GLLL', dynamic=False)
    compiled.eval().switch_to_deploy()
    x = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(
            compiled(x), eager.eval()(x), rtol=1e-4, atol=1e-5
        )


def test_checkpoints_have_plain_names():
    counter = CompileCounter()
    model = torch.nn.ModuleDict(
        dict(backbone=UniFormer(TINY, compile=dict(backend=counter)))
    )
    plain = torch.nn.ModuleDict(dict(backbone=UniFormer(TINY)))
    model.backbone(torch.rand(1, 3, 64, 64))
    assert counter.frame_count == 1
    assert list(model.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(model.state_dict())
    # EMA keeps a copy.
    copied = copy.deepcopy(model)
    assert list(copied.state_dict()) == list(plain.state_dict())


def test_a_wrong_value_is_named():
    with pytest.raises(ValueError, match='compile must be a bool, or a dict'):
        UniFormer(TINY, compile='inductor')
