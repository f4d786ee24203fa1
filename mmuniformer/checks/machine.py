"""Whether this machine has what a run asks for."""

import errno
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device

from mmuniformer.checks.data_sets import data_sets, evaluators
from mmuniformer.checks.finding import Finding
from mmuniformer.nodes import type_name, walk

LAUNCHER_ENV = {
    'pytorch': 'RANK',
    'slurm': 'SLURM_PROCID',
    'mpi': 'OMPI_COMM_WORLD_RANK',
}
# What mmdet imports as late as it reads a file or scores: by what needs it,
# the package and what pip is told.
_LVIS = ('lvis', 'lvis')
_PANOPTIC = (
    'panopticapi',
    'git+https://github.com/cocodataset/panopticapi.git',
)
LATE_PACKAGES = {
    'LVISV05Dataset': _LVIS,
    'LVISV1Dataset': _LVIS,
    'LVISMetric': _LVIS,
    'LVISFixedAPMetric': _LVIS,
    'CocoPanopticMetric': _PANOPTIC,
    'LoadPanopticAnnotations': _PANOPTIC,
}
LAUNCHER_HINT = {
    'pytorch': 'use tools/dist_train.sh, tools/dist_test.sh or torchrun',
    'slurm': 'use tools/slurm_train.sh, tools/slurm_test.sh or srun',
    'mpi': 'use mpirun',
}
LOCAL_RANK = {'pytorch': 'LOCAL_RANK', 'slurm': 'SLURM_LOCALID'}


def check_machine(cfg: Config) -> Iterator[Finding]:
    """Looks at the launcher's environment, the devices and the work dir.

    Args:
        cfg (Config): Its ``launcher``, ``device`` and ``work_dir`` are read.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher != 'none' and LAUNCHER_ENV[launcher] not in os.environ:
        yield Finding(
            f'--launcher {launcher}: {LAUNCHER_ENV[launcher]} is not set, so '
            'this is not a process of it',
            LAUNCHER_HINT[launcher],
            entry='launcher',
        )
        return
    device, asked = get_device(), str(cfg.get('device', ''))
    if asked.startswith('cuda') and device != 'cuda':
        yield Finding(
            f"the config asks for device='{asked}', and PyTorch "
            f'{torch.__version__} sees no CUDA device here',
            'remove the key to run on the CPU',
            entry='device',
        )
    elif device == 'cuda' and launcher != 'none':
        yield from _check_gpu_count(launcher)
    if cfg.get('work_dir') is not None:
        yield from check_writable(cfg.work_dir)


def check_packages(cfg: Config, phases: Collection[str]) -> Iterator[Finding]:
    """Looks whether packages are there that some data sets and metrics need.

    Args:
        cfg (Config): Its default scope is active.
        phases (Collection[str]): Of 'train', 'val' and 'test'.
    """
    users = [
        (data_set.path, kind.__name__)
        for data_set in data_sets(cfg, phases)
        for kind in data_set.kind.__mro__
    ]
    users += [(path, type_name(n)) for _, path, n in evaluators(cfg, phases)]
    for data_set in data_sets(cfg, phases):
        place = f'{data_set.path}.pipeline'
        steps = walk(data_set.node.get('pipeline'), place)
        users += [(path, type_name(step)) for path, step in steps]
    told = set()
    for path, name in users:
        package, source = LATE_PACKAGES.get(name, ('', ''))
        if package not in told and package and find_spec(package) is None:
            told.add(package)
            yield Finding(
                f'{path}: {name} needs the package {package}, which is not '
                'installed',
                f'pip install {source}',
                entry=path,
            )


def _check_gpu_count(launcher: str) -> Iterator[Finding]:
    local_rank = int(os.environ.get(LOCAL_RANK.get(launcher, ''), 0))
    count = torch.cuda.device_count()
    if local_rank >= count:
        yield Finding(
            f'process {local_rank} of this machine has no GPU: {count} are '
            'visible',
            'start as many processes as there are GPUs',
        )


def check_writable(work_dir: str) -> Iterator[Finding]:
    """Looks whether a work dir can be made, or written if it is there."""
    folder = Path(work_dir).absolute()
    what = f'cannot make the work dir {work_dir}'
    try:
        while not folder.exists():
            folder = folder.parent
    except OSError as error:
        # The name is too long, or in a folder that must not be searched.
        what += f' ({error.strerror})'
    else:
        if not folder.is_dir():
            what += f' ({folder} is a file)'
        elif os.access(folder, os.W_OK | os.X_OK):
            return
        elif folder == Path(work_dir).absolute():
            what = f'cannot write into the work dir {work_dir}'
        else:
            what += f' ({folder}: {os.strerror(errno.EACCES)})'
    yield Finding(what, 'name another one with --work-dir', entry='work_dir')


def check_display(show: bool) -> Iterator[Finding]:
    """Looks whether a window can open, if one is asked for."""
    if not show or not sys.platform.startswith('linux'):
        return
    if not os.environ.get('DISPLAY') and not os.environ.get('WAYLAND_DISPLAY'):
        yield Finding(
            '--show needs a display, and there is none',
            'write the pictures into a folder instead',
        )


def check_trackers(names: Iterable[str]) -> Iterator[Finding]:
    """Looks whether what ``--log-to`` names is installed."""
    for name in names:
        if find_spec(name) is None:
            yield Finding(
                f'--log-to {name}: the package {name} is not installed',
                f'`pip install {name}`',
            )
