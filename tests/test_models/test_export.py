"""Graphs of the backbones, for runtimes that know nothing of this package.

Each is made at one size, and right at others.
"""

import shutil
from contextlib import nullcontext

import pytest
import torch
from mmengine.utils import digit_version
from torch import Tensor
from torch.export import Dim

from mmuniformer.models import (
    UniFormer,
    UniFormer3D,
    UniFormerLight,
    UniFormerLight3D,
)
from mmuniformer.models.layers import sizes_open

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnxscript')
openvino = pytest.importorskip('openvino')
pytestmark = [
    pytest.mark.skipif(
        digit_version(torch.__version__) < digit_version('2.9'),
        reason='older exporters fix sizes',
    ),
    pytest.mark.filterwarnings('ignore'),
]

ARCH = dict(depths=(1, 1, 2, 1), embed_dims=(8, 16, 32, 64), head_dim=8)
DEEP = dict(ARCH, depths=(1, 1, 4, 1))
STYLES = {
    'global': (UniFormer, {}),
    'window': (UniFormer, dict(stage3='window', window_size=4)),
    'hybrid': (
        UniFormer,
        dict(arch=DEEP, stage3='hybrid', window_size=4),
    ),
    'stem': (UniFormer, dict(arch=dict(ARCH, conv_stem=True))),
    'pooled': (UniFormer, dict(stage_types='GGGG')),
    'joint': (UniFormer3D, {}),
    'divided': (UniFormer3D, dict(space_time='divided')),
    'light': (UniFormerLight, {}),
    'means': (UniFormerLight, dict(score_token=False, keep_ratio=0.3)),
    'light video': (UniFormerLight3D, {}),
}
# What takes minutes more than it finds.
SLOW = set(STYLES) - {'hybrid', 'divided', 'light'}
styles = pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in STYLES
    ],
)
# One column of windows, of which none is padded, and a batch of two.
TRACED = (2, 96, 64)
# More columns; some or all padded; odd and upright.
SIZES = [(128, 160), (75, 203), (224, 100)]
TOLERANCE = 2e-5


def build(name, **options):
    cls, given = STYLES[name]
    torch.manual_seed(0)
    model = cls(**{'arch': ARCH, **given, **options}).eval()
    # The usual start has attention look everywhere alike.
    for parameter in model.parameters():
        if parameter.dim() > 1:
            fan = parameter[0].numel()
            torch.nn.init.normal_(parameter, std=fan**-0.5)
    return model


def make_input(name, batch, height, width, frames=4) -> Tensor:
    torch.manual_seed(height * width)
    time = (frames,) if STYLES[name][0].ndim == 3 else ()
    return torch.randn(batch, 3, *time, height, width)


def as_list(outs) -> list[Tensor]:
    return [outs] if isinstance(outs, Tensor) else list(outs)


def check(name, model, run, sizes=SIZES, batches=(1, 3)):
    """Compares with the model at other sizes, batches and lengths."""
    frames = (4, 6) if STYLES[name][0].ndim == 3 else (4,)
    for height, width in sizes:
        for batch, time in zip(batches, frames * 2, strict=False):
            x = make_input(name, batch, height, width, time)
            with torch.no_grad():
                expected = as_list(model(x))
            for out, wanted in zip(run(x), expected, strict=True):
                out = torch.as_tensor(out)
                assert out.shape == wanted.shape
                error = (out - wanted).abs().max() / wanted.abs().max()
                assert error < TOLERANCE, (x.shape, float(error))


def program(name, model) -> torch.export.ExportedProgram:
    """With all sizes open, as a user would say it."""
    sizes = (0, 2, 3, 4) if model.ndim == 3 else (0, 2, 3)
    open_sizes = dict.fromkeys(sizes, Dim.AUTO)
    x = make_input(name, *TRACED)
    return torch.export.export(model, (x,), dynamic_shapes=(open_sizes,))


def in_torch(exported):
    module = exported.module()
    return lambda x: as_list(module(x))


def in_onnxruntime(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    (given,) = session.get_inputs()
    return lambda x: session.run(None, {given.name: x.numpy()})


def in_openvino(exported):
    """By file, or from the program in memory."""
    exact = {'INFERENCE_PRECISION_HINT': 'f32'}
    model = openvino.compile_model(
        openvino.convert_model(exported), 'CPU', exact
    )
    return lambda x: list(model(x.numpy()).values())


def write_onnx(exported, path):
    torch.onnx.export(exported, (), path, dynamo=True, verbose=False)


@styles
def test_graphs_are_right_at_other_sizes(name, tmp_path):
    """One program, run by torch and written for the others."""
    model = build(name)
    exported = program(name, model)
    check(name, model, in_torch(exported))
    path = str(tmp_path / 'model.onnx')
    write_onnx(exported, path)
    check(name, model, in_onnxruntime(path))
    check(name, model, in_openvino(path))


@pytest.mark.slow
@pytest.mark.parametrize('name', STYLES)
def test_openvino_takes_the_program(name):
    model = build(name)
    check(name, model, in_openvino(program(name, model)))


@pytest.mark.parametrize('name', STYLES)
def test_traced_models_are_right_at_other_sizes(name):
    model = build(name)
    with torch.no_grad():
        traced = torch.jit.trace(model, make_input(name, *TRACED))
        # Down to a last map of one position, whose token nobody can drop.
        sizes = [*SIZES, (33, 47), (64, 40)]
        check(name, model, lambda x: as_list(traced(x)), sizes)


@pytest.mark.parametrize('name', ['window', 'joint', 'light'])
def test_the_older_exporter_to_onnx(name, tmp_path):
    """At the size it saw: a light model says that others fail."""
    model, path = build(name), str(tmp_path / 'model.onnx')
    told = nullcontext()
    if name == 'light':
        told = pytest.warns(UserWarning, match='at no other')
    with torch.no_grad(), told:
        torch.onnx.export(
            model,
            (make_input(name, *TRACED),),
            path,
            dynamo=False,
            verbose=False,
        )
    batch, *size = TRACED
    check(name, model, in_onnxruntime(path), [size], [batch])


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hybrid', 'light', 'joint'])
def test_explicit_attention_in_deployment_form(name, tmp_path):
    model = build(name, attention='explicit')
    model.switch_to_deploy()
    path = str(tmp_path / 'model.onnx')
    write_onnx(program(name, model), path)
    check(name, model, in_onnxruntime(path))
    check(name, model, in_openvino(path))


needs_compiler = pytest.mark.skipif(
    shutil.which('g++') is None, reason='needs a C++ compiler'
)


@pytest.mark.slow
@needs_compiler
def test_compiled_ahead_of_time(tmp_path):
    """From one column of windows, which machine code would take for all."""
    model = build('window')
    with torch.no_grad(), sizes_open():
        path = torch._inductor.aoti_compile_and_package(
            program('window', model),
            package_path=str(tmp_path / 'model.pt2'),
        )
        compiled = torch._inductor.aoti_load_package(path)
        check('window', model, lambda x: as_list(compiled(x)))


@pytest.mark.slow
@needs_compiler
def test_a_light_model_compiled_ahead_of_time(tmp_path):
    """At one size: for others its compilation takes longer than it is worth.

    The compiler simplifies strides that follow from the number of tokens.
    """
    model = build('light')
    x = make_input('light', *TRACED)
    with torch.no_grad():
        path = torch._inductor.aoti_compile_and_package(
            torch.export.export(model, (x,)),
            package_path=str(tmp_path / 'model.pt2'),
        )
        compiled = torch._inductor.aoti_load_package(path)
    batch, *size = TRACED
    check('light', model, lambda x: as_list(compiled(x)), [size], [batch])
