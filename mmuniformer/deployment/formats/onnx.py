"""ONNX files, for onnxruntime and whatever else reads them."""

import json
import logging
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.onnx.errors import OnnxExporterError

from mmuniformer.deployment.description import KEY
from mmuniformer.deployment.formats.base import Format, Outputs, readable
from mmuniformer.deployment.formats.packages import need
from mmuniformer.errors import UserError, first_line

# The newest that onnxruntime of the last two years and OpenVINO both read.
OPSET = 20


class Onnx(Format):
    """See :class:`Format`."""

    name, suffix = 'onnx', '.onnx'
    # bfloat16 can be written, and onnxruntime has no kernels for it on CPUs.
    dtypes = ('float32', 'float16')

    def check(self) -> None:
        """See :class:`Format`."""
        need('onnx', 'onnxscript', 'onnxruntime')

    def write(
        self,
        program: ExportedProgram,
        path: Path,
        about: Mapping[str, Any],
    ) -> None:
        """See :class:`Format`."""
        names = [out['name'] for out in about['outputs']]
        try:
            with _quiet():
                model = torch.onnx.export(
                    program,
                    dynamo=True,
                    verbose=False,
                    opset_version=OPSET,
                    input_names=[about['input']['name']],
                    output_names=names,
                )
        except OnnxExporterError as error:
            reason = first_line(error.__cause__ or error)
            raise UserError(
                f'torch cannot write this model as ONNX ({reason}); --to '
                'torch keeps it as it is'
            ) from error
        model.model.metadata_props[KEY] = json.dumps(about)
        model.model.producer_name = 'mmuniformer'
        model.save(path)

    def open(self, path: Path) -> 'OnnxRuntime':
        """See :class:`Format`."""
        self.check()
        return OnnxRuntime(path)


class OnnxRuntime:
    """An ONNX file in onnxruntime, on a CPU.

    Args:
        path (Path): The file.
        threads (int): Of one operation; 0 for a thread of each core.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        with readable(path, 'onnxruntime'):
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=['CPUExecutionProvider']
            )
        known = self._session.get_modelmeta().custom_metadata_map
        self.about = json.loads(known.get(KEY, '{}'))
        self._input = self._session.get_inputs()[0].name
        self._names = [out.name for out in self._session.get_outputs()]

    def __call__(self, images: np.ndarray) -> Outputs:
        """See :class:`Runtime`."""
        outs = self._session.run(None, {self._input: images})
        return dict(zip(self._names, outs, strict=True))


@contextmanager
def _quiet():
    """Without what the exporter tells of its own steps."""
    loggers = [
        logging.getLogger(name) for name in ('torch.onnx', 'onnxscript')
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
