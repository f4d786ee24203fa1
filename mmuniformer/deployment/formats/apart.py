"""Runs a file of torch in a process that has torch alone."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmuniformer.deployment.formats.base import Outputs
from mmuniformer.errors import UserError

# What that process does; it imports nothing but torch and numpy, and the
# operator for NMS where a graph has it.
SCRIPT = """
import json, sys
import numpy as np, torch
kind, path, folder, number = sys.argv[1:]
try:
    import torchvision
except ImportError:
    pass
if kind == 'aoti':
    run = torch._inductor.aoti_load_package(path)
    about = run.get_metadata()['mmuniformer']
else:
    extra = {'mmuniformer.json': ''}
    run = torch.export.load(path, extra_files=extra).module()
    about = extra['mmuniformer.json']
names = [out['name'] for out in json.loads(about)['outputs']]
for index in range(int(number)):
    images = torch.from_numpy(np.load(f'{folder}/in-{index}.npy'))
    with torch.no_grad():
        outs = run(images)
    outs = {name: out.numpy() for name, out in zip(names, outs)}
    np.savez(f'{folder}/out-{index}.npz', **outs)
assert not {'mmengine', 'mmcv', 'mmuniformer'} & set(sys.modules)
"""


def run_in_fresh_process(
    kind: str, path: Path, inputs: Sequence[np.ndarray]
) -> list[Outputs]:
    """Runs a file where neither this package nor a host is loaded.

    Args:
        kind (str): 'torch' or 'aoti'.
        path (Path): The file.
        inputs (Sequence[np.ndarray]): Images or clips.

    Returns:
        list[Outputs]: Of each.

    Raises:
        UserError: If the process fails; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        for index, images in enumerate(inputs):
            np.save(Path(folder, f'in-{index}.npy'), images)
        # Isolated: no variable and no folder leads to this package.
        command = [sys.executable, '-I', '-c', SCRIPT, kind]
        command += [str(path.absolute()), folder, str(len(inputs))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ['it was killed']
            raise UserError(
                f'{path} does not run in a process of its own: {lines[-1]}'
            )
        results = []
        for index in range(len(inputs)):
            with np.load(Path(folder, f'out-{index}.npz')) as outs:
                results.append(dict(outs))
        return results
