"""Files of torch alone: a graph for ``torch.export.load``."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from mmuniformer.deployment.description import KEY
from mmuniformer.deployment.formats.apart import run_in_fresh_process
from mmuniformer.deployment.formats.base import Format, Outputs, readable

ABOUT = f'{KEY}.json'


class Program(Format):
    """See :class:`Format`."""

    name, suffix = 'torch', '.pt2'
    dtypes = ('float32', 'float16', 'bfloat16')

    def write(
        self,
        program: ExportedProgram,
        path: Path,
        about: Mapping[str, Any],
    ) -> None:
        """See :class:`Format`."""
        content = io.BytesIO()
        torch.export.save(
            program, content, extra_files={ABOUT: json.dumps(about)}
        )
        # By Python, which tells of a full disk in words.
        path.write_bytes(content.getbuffer())

    def open(self, path: Path) -> 'ProgramRuntime':
        """See :class:`Format`."""
        return ProgramRuntime(path)

    def run_apart(
        self, path: Path, inputs: Sequence[np.ndarray]
    ) -> list[Outputs]:
        """See :class:`Format`."""
        return run_in_fresh_process(self.name, path, inputs)


class ProgramRuntime:
    """A graph in torch.

    Args:
        path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        extra = {ABOUT: ''}
        with readable(path, 'torch'):
            self._run = torch.export.load(path, extra_files=extra).module()
        self.about = json.loads(extra[ABOUT] or '{}')

    def __call__(self, images: np.ndarray) -> Outputs:
        """See :class:`Runtime`."""
        with torch.no_grad():
            outs = self._run(torch.from_numpy(images))
        names = [out['name'] for out in self.about['outputs']]
        return {n: out.numpy() for n, out in zip(names, outs, strict=True)}
