"""Devices and processes: the same config on one CPU, one GPU or a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as torch_dist
from mmengine.config import Config
from mmengine.device import get_device

from mmuniformer.errors import UserError
from mmuniformer.nodes import walk

LAUNCHER_ENV = {
    'pytorch': 'RANK',
    'slurm': 'SLURM_PROCID',
    'mpi': 'OMPI_COMM_WORLD_RANK',
}
LAUNCHER_HINT = {
    'pytorch': 'use tools/dist_train.sh, tools/dist_test.sh or torchrun',
    'slurm': 'use tools/slurm_train.sh, tools/slurm_test.sh or srun',
    'mpi': 'use mpirun',
}
DEFAULT_PORT = '29500'


def prepare_work_dir(cfg: Config, work_dir: str | None) -> None:
    """Sets ``cfg.work_dir`` and makes sure that it can be written.

    The command line wins over the config, the config over
    ``work_dirs/<name of the config>``.

    Raises:
        UserError: If the folder cannot be made or written.
    """
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(cfg.filename).stem)
    try:
        os.makedirs(cfg.work_dir, exist_ok=True)
    except OSError as error:
        raise UserError(
            f'cannot make the work dir {cfg.work_dir} ({error.strerror}); '
            'name another one with --work-dir'
        ) from error
    if not os.access(cfg.work_dir, os.W_OK | os.X_OK):
        raise UserError(
            f'cannot write into the work dir {cfg.work_dir}; name another '
            'one with --work-dir'
        )


def prepare_device(cfg: Config) -> list[str]:
    """Fits a config to this machine's devices.

    Without an accelerator, mixed precision is turned off (mmengine's needs
    one), processes talk through gloo instead of nccl and SyncBatchNorm,
    which has no CPU kernel, becomes BatchNorm.

    Args:
        cfg (Config): Changed in place; ``cfg.launcher`` is read.

    Returns:
        list[str]: A line for the log for each change.

    Raises:
        UserError: If CUDA is asked for and absent, or the launcher's
            environment is.
    """
    _limit_recompilation()
    launcher = cfg.launcher
    if launcher != 'none' and LAUNCHER_ENV[launcher] not in os.environ:
        raise UserError(
            f'--launcher {launcher}: {LAUNCHER_ENV[launcher]} is not set, so '
            f'this is not a process of it; {LAUNCHER_HINT[launcher]}'
        )
    device = get_device()
    asked = str(cfg.get('device', ''))
    if asked.startswith('cuda') and device != 'cuda':
        raise UserError(
            f"the config asks for device='{asked}', and PyTorch "
            f'{torch.__version__} sees no CUDA device here; remove the key '
            'to run on the CPU'
        )
    if device == 'cuda' and launcher != 'none':
        _check_gpu_count(launcher)
    if device != 'cpu':
        return []
    notes = _without_amp(cfg) + _without_sync_bn(cfg)
    if launcher != 'none':
        notes += _cpu_processes(cfg)
    return notes


def _limit_recompilation() -> None:
    limit = os.environ.get('DYNAMO_CACHE_SIZE_LIMIT')
    if limit is not None:
        import torch._dynamo

        torch._dynamo.config.cache_size_limit = int(limit)


def _check_gpu_count(launcher: str) -> None:
    name = {'pytorch': 'LOCAL_RANK', 'slurm': 'SLURM_LOCALID'}.get(launcher)
    local_rank = int(os.environ.get(name or '', 0))
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise UserError(
            f'process {local_rank} of this machine has no GPU: {count} are '
            'visible; start as many processes as there are GPUs'
        )


def _without_amp(cfg: Config) -> list[str]:
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None or _type_name(wrapper) != 'AmpOptimWrapper':
        return []
    wrapper.type = 'OptimWrapper'
    for key in ('loss_scale', 'dtype', 'use_fsdp'):
        wrapper.pop(key, None)
    return [
        'No accelerator here: training in float32 instead of the mixed '
        'precision that the config asks for (AmpOptimWrapper).'
    ]


def _without_sync_bn(cfg: Config) -> list[str]:
    cfg.pop('sync_bn', None)
    sync_bn = [
        node
        for _, node in walk(cfg._cfg_dict)
        if _type_name(node) in ('SyncBN', 'MMSyncBN')
    ]
    for node in sync_bn:
        node['type'] = 'BN'
    if not sync_bn:
        return []
    return [
        'No accelerator here: BN instead of SyncBN, which has no CPU kernel.'
    ]


def _type_name(node: dict) -> str:
    type_ = node.get('type', '')
    return getattr(type_, '__name__', str(type_)).split('.')[-1]


def _cpu_processes(cfg: Config) -> list[str]:
    notes = ['No accelerator here: processes on the CPU, joined by gloo.']
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    # mmengine would pass the local rank as a CUDA device.
    cfg.model_wrapper_cfg.device_ids = None
    if not torch_dist.is_initialized():
        _set_rendezvous(cfg.launcher)
        torch_dist.init_process_group('gloo')
    return notes


def _set_rendezvous(launcher: str) -> None:
    """Translates a launcher's environment into torchrun's."""
    env = os.environ
    if launcher == 'slurm':
        env['RANK'] = env['SLURM_PROCID']
        env['WORLD_SIZE'] = env['SLURM_NTASKS']
        env['LOCAL_RANK'] = env.get('SLURM_LOCALID', '0')
        if 'MASTER_ADDR' not in env:
            hosts = subprocess.run(
                ['scontrol', 'show', 'hostname', env['SLURM_NODELIST']],
                capture_output=True,
                text=True,
                check=True,
            )
            env['MASTER_ADDR'] = hosts.stdout.split()[0]
    elif launcher == 'mpi':
        env['RANK'] = env['OMPI_COMM_WORLD_RANK']
        env['WORLD_SIZE'] = env['OMPI_COMM_WORLD_SIZE']
        env['LOCAL_RANK'] = env['OMPI_COMM_WORLD_LOCAL_RANK']
        env.setdefault('MASTER_ADDR', 'localhost')
    env.setdefault('MASTER_PORT', DEFAULT_PORT)


def check_display(show: bool) -> None:
    """Raises a UserError if a window is asked for and none can open."""
    if not show or not sys.platform.startswith('linux'):
        return
    if not os.environ.get('DISPLAY') and not os.environ.get('WAYLAND_DISPLAY'):
        raise UserError(
            '--show needs a display, and there is none; write the pictures '
            'into a folder instead'
        )
