"""OpenVINO's files, for CPUs and GPUs of Intel."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.export import ExportedProgram

from mmuniformer.deployment.description import KEY
from mmuniformer.deployment.formats.base import Format, Outputs, readable
from mmuniformer.deployment.formats.onnx import Onnx
from mmuniformer.deployment.formats.packages import need, unreported
from mmuniformer.errors import first_line


class OpenVino(Format):
    """See :class:`Format`."""

    name, suffix = 'openvino', '.xml'
    # float16 is how weights are kept; a CPU computes in what is fastest and
    # exact enough, and can be asked for bfloat16.
    dtypes = ('float32', 'float16', 'int8')

    def check(self) -> None:
        """See :class:`Format`."""
        need('onnx', 'onnxscript', 'openvino')

    def write(
        self,
        program: ExportedProgram,
        path: Path,
        about: Mapping[str, Any],
    ) -> None:
        """See :class:`Format`."""
        # Its own reader of torch's programs knows fewer open sizes.
        with tempfile.TemporaryDirectory() as folder:
            between = Path(folder, 'model.onnx')
            Onnx().write(program, between, about)
            save(converted(between), path, about)

    def open(self, path: Path) -> 'OpenVinoRuntime':
        """See :class:`Format`."""
        self.check()
        return OpenVinoRuntime(path)

    def files(self, path: Path) -> list[Path]:
        """See :class:`Format`."""
        return [path, path.with_suffix('.bin')]


def converted(path: Path) -> Any:
    """A file of ONNX as an ``openvino.Model``."""
    import openvino

    with unreported():
        return openvino.convert_model(path)


def save(model: Any, path: Path, about: Mapping[str, Any]) -> None:
    """Writes a model of OpenVINO with what is known of it.

    Args:
        model (openvino.Model): The model.
        path (Path): File ending in .xml; the weights go to one beside it,
            ending in .bin.
        about (Mapping): From :func:`describe`.
    """
    import openvino

    model.set_rt_info(json.dumps(about), [KEY])
    halves = about['dtype'] == 'float16'
    try:
        openvino.save_model(model, path, compress_to_fp16=halves)
    except RuntimeError as error:
        # What a full disk is to it.
        raise OSError(first_line(error)) from error


class OpenVinoRuntime:
    """OpenVINO's file in its runtime, on a CPU.

    Args:
        path (Path): The file that ends in .xml.
        settings (Mapping[str, Any], optional): Of OpenVINO, such as
            ``{'INFERENCE_PRECISION_HINT': 'bf16'}``; by default results are
            those of the precision that the file was made for.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, Any] | None = None
    ) -> None:
        import openvino

        core = openvino.Core()
        with readable(path, 'OpenVINO'):
            model = core.read_model(path)
        known = model.get_rt_info([KEY]).value if _has(model) else '{}'
        self.about = json.loads(known)
        settings = settings or {'INFERENCE_PRECISION_HINT': 'f32'}
        self._model = core.compile_model(model, 'CPU', dict(settings))
        self._names = [out.get_any_name() for out in self._model.outputs]

    def __call__(self, images: np.ndarray) -> Outputs:
        """See :class:`Runtime`."""
        # Its own memory is used again by the next call.
        outs = self._model(images, share_outputs=False).values()
        return dict(zip(self._names, outs, strict=True))


def _has(model: Any) -> bool:
    return model.has_rt_info([KEY])
