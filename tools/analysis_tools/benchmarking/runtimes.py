"""Our backbones in the runtimes of exported files, on a CPU."""

import tempfile
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from mmuniformer.deployment.formats.onnx import Onnx, OnnxRuntime
from mmuniformer.deployment.formats.openvino import (
    OpenVino,
    OpenVinoRuntime,
    converted,
    save,
)
from mmuniformer.deployment.quantizing import quantize_file

from .models import build
from .workloads import Variant, Workload

# Inputs by which 8 bits are chosen. Weights are drawn, and so is the input:
# more of it would say no more.
CALIBRATION = 2


class RuntimeRunner:
    """A backbone of ours in another runtime, ready to do a step.

    Args:
        variant (Variant): Its name is that of a runtime.
        workload (Workload): What is run.

    Raises:
        UserError: If the runtime is not installed.
    """

    def __init__(self, variant: Variant, workload: Workload) -> None:
        in_openvino = variant.name == 'openvino'
        (OpenVino() if in_openvino else Onnx()).check()
        self.inputs = _inputs(workload, 0)
        files, threads = _files(workload), torch.get_num_threads()
        if not in_openvino:
            self._run = OnnxRuntime(files.onnx, threads)
            return
        in_bf16 = variant.dtype.endswith('bf16')
        settings = {
            'INFERENCE_PRECISION_HINT': 'bf16' if in_bf16 else 'f32',
            'INFERENCE_NUM_THREADS': threads,
        }
        in_int8 = variant.dtype.startswith('int8')
        path = files.int8 if in_int8 else files.openvino
        self._run = OpenVinoRuntime(path, settings)

    def __call__(self) -> list[Tensor]:
        """Does one step; returns features."""
        outs = self._run(self.inputs.numpy())
        return [torch.from_numpy(out) for out in outs.values()]


class Files:
    """Files of a backbone for one size, made when they are asked for.

    Args:
        workload (Workload): With model and size.
    """

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._folder = tempfile.TemporaryDirectory()
        self._about = dict(dtype='float32', input=dict(name='images'))

    @cached_property
    def onnx(self) -> Path:
        """ONNX, in float32."""
        model = _Maps(build(Variant('deploy'), self._workload)).eval()
        example = _inputs(self._workload, 0)
        with torch.no_grad():
            program = torch.export.export(model, (example,), strict=False)
            number = len(model(example))
        self._about['outputs'] = [dict(name=f'map{i}') for i in range(number)]
        path = Path(self._folder.name, 'model.onnx')
        Onnx().write(program, path, self._about)
        return path

    @cached_property
    def openvino(self) -> Path:
        """OpenVINO, in float32."""
        path = Path(self._folder.name, 'model.xml')
        save(converted(self.onnx), path, self._about)
        return path

    @cached_property
    def int8(self) -> Path:
        """OpenVINO, in 8 bits."""
        import openvino

        path = Path(self._folder.name, 'int8.xml')
        save(openvino.Core().read_model(self.openvino), path, self._about)
        drawn = [
            _inputs(self._workload, seed).numpy()
            for seed in range(CALIBRATION)
        ]
        quantize_file(path, drawn, self._about)
        return path


# Of one comparison: the next one has another workload.
_files = lru_cache(maxsize=1)(Files)


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
