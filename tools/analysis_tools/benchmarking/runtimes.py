"""Our backbones in the runtimes of exported files, on a CPU."""

import tempfile
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from mmuniformer.deployment.formats.onnx import Onnx, OnnxRuntime
from mmuniformer.deployment.formats.openvino import (
    OpenVino,
    OpenVinoRuntime,
    save,
)
from mmuniformer.deployment.quantizing import quantize_file

from .models import build
from .workloads import Variant, Workload

# What of a number format is not of the file.
PRECISIONS = {'bf16': 'bf16', 'int8+bf16': 'bf16'}
# Inputs by which 8 bits are chosen. Weights are drawn, and so is the input:
# more of it would say no more.
CALIBRATION = 4


class RuntimeRunner:
    """A backbone of ours in another runtime, ready to do a step.

    Args:
        variant (Variant): Its name is that of a runtime.
        workload (Workload): What is run.

    Raises:
        UserError: If the runtime is not installed.
    """

    def __init__(self, variant: Variant, workload: Workload) -> None:
        (Onnx() if variant.name == 'onnxruntime' else OpenVino()).check()
        self.inputs = _inputs(workload, 0)
        folder, about = _exported(workload)
        threads = torch.get_num_threads()
        file = Path(folder.name, 'model.onnx')
        if variant.name == 'onnxruntime':
            self._run = OnnxRuntime(file, threads)
            return
        import openvino

        # A file of its own: others may be mapped into memory.
        path = file.with_name(f'{variant.dtype}.xml')
        save(openvino.convert_model(file), path, about)
        if variant.dtype.startswith('int8'):
            drawn = [
                _inputs(workload, seed).numpy() for seed in range(CALIBRATION)
            ]
            quantize_file(path, drawn, about)
        self._run = OpenVinoRuntime(
            path,
            {
                'INFERENCE_PRECISION_HINT': PRECISIONS.get(
                    variant.dtype, 'f32'
                ),
                'INFERENCE_NUM_THREADS': threads,
            },
        )

    def __call__(self) -> list[Tensor]:
        """Does one step; returns features."""
        outs = self._run(self.inputs.numpy())
        return [torch.from_numpy(out) for out in outs.values()]


class _Maps(nn.Module):
    """A backbone whose maps are a tuple in any case."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = self.model(x)
        return (outs,) if isinstance(outs, Tensor) else tuple(outs)


def _inputs(workload: Workload, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (workload.batch, 3, *workload.size)
    return torch.rand(shape, generator=generator)


# Of one comparison: the next one has another workload.
@lru_cache(maxsize=1)
def _exported(
    workload: Workload,
) -> tuple[tempfile.TemporaryDirectory, dict]:
    """A folder with the backbone of that size as ``model.onnx``."""
    model = _Maps(build(Variant('deploy'), workload)).eval()
    example = _inputs(workload, 0)
    with torch.no_grad():
        program = torch.export.export(model, (example,), strict=False)
        outputs = len(model(example))
    about = dict(
        dtype='float32',
        input=dict(name='images'),
        outputs=[dict(name=f'map{i}') for i in range(outputs)],
    )
    folder = tempfile.TemporaryDirectory()
    Onnx().write(program, Path(folder.name, 'model.onnx'), about)
    return folder, about
