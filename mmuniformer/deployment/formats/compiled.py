"""Files of torch with machine code (AOTInductor)."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from mmuniformer.deployment.description import KEY
from mmuniformer.deployment.formats.apart import run_in_fresh_process
from mmuniformer.deployment.formats.base import Format, Outputs, readable
from mmuniformer.errors import UserError
from mmuniformer.models.layers import HourglassBlock, sizes_open


class Compiled(Format):
    """See :class:`Format`."""

    name, suffix = 'aoti', '.pt2'
    dtypes = ('float32', 'float16', 'bfloat16')

    def check(self) -> None:
        """See :class:`Format`."""
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            found = shutil.which(get_cpp_compiler())
        except InvalidCxxCompiler:
            found = None
        if found is None:
            raise UserError(
                '--to aoti compiles C++, and there is no compiler; install '
                'g++, or name one by the variable CXX'
            )

    def write(
        self,
        program: ExportedProgram,
        path: Path,
        about: Mapping[str, Any],
    ) -> None:
        """See :class:`Format`."""
        # It looks at sizes once more, and the file checks none.
        with sizes_open():
            torch._inductor.aoti_compile_and_package(
                program,
                package_path=str(path),
                inductor_configs={
                    'aot_inductor.metadata': {KEY: json.dumps(about)},
                    # All maps are in channels-last already. The pass that
                    # would put them there fails on a size it does not know.
                    'layout_optimization': False,
                },
            )

    def open(self, path: Path) -> 'CompiledRuntime':
        """See :class:`Format`."""
        return CompiledRuntime(path)

    def run_apart(
        self, path: Path, inputs: Sequence[np.ndarray]
    ) -> list[Outputs]:
        """See :class:`Format`."""
        return run_in_fresh_process(self.name, path, inputs)


class CompiledRuntime:
    """Machine code in torch.

    Args:
        path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        with readable(path, 'torch'):
            self._run = torch._inductor.aoti_load_package(str(path))
        self.about = json.loads(self._run.get_metadata().get(KEY, '{}'))

    def __call__(self, images: np.ndarray) -> Outputs:
        """See :class:`Runtime`."""
        outs = self._run(torch.from_numpy(images))
        names = [out['name'] for out in self.about['outputs']]
        return {n: out.numpy() for n, out in zip(names, outs, strict=True)}


def check_compilable(net: nn.Module) -> None:
    """Looks whether a network can be compiled for any size.

    Raises:
        UserError: If the compiler would come to no end.
    """
    for block in net.modules():
        if isinstance(block, HourglassBlock) and block.keep_ratio < 1:
            raise UserError(
                '--to aoti: a light model is compiled for one size, since '
                'for all of them the compiler comes to no end; add --static, '
                'or take --to torch, onnx or openvino'
            )
