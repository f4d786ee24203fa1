"""The processes of a run: how they meet, and what is said of a missing one."""

import os
import re
import signal
import subprocess
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as torch_dist
from mmengine.config import Config

from mmuniformer.errors import LostProcess
from mmuniformer.launch import environment

DEFAULT_PORT = '29500'
# What torch says of a store that is none, or closes the connection.
_ENDED = re.compile('Ping failed|failed to recv|likely closed|reset by peer')
# torch's name for what asks Linux for a signal when the parent is gone.
PRCTL = '_prctl_pr_set_pdeathsig'


def limit_waiting(cfg: Config) -> None:
    """Has processes wait for each other as long as the user has said.

    Args:
        cfg (Config): ``env_cfg.dist_cfg.timeout`` is set, in seconds, if the
            launcher was given a ``TIMEOUT``.
    """
    seconds = environment.timeout()
    if seconds is None or cfg.get('launcher', 'none') == 'none':
        return
    if cfg.get('env_cfg') is None:
        cfg.env_cfg = {}
    dist_cfg = cfg.env_cfg.get('dist_cfg') or {}
    cfg.env_cfg.dist_cfg = dict(dist_cfg, timeout=seconds)


def waiting_time(cfg: Config) -> int:
    """Seconds that processes of a run wait for each other."""
    dist_cfg = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    return dist_cfg.get('timeout') or environment.DEFAULT_TIMEOUT


def end_with_launcher() -> None:
    """Has this process asked to stop when its launcher is gone.

    A launcher that is killed ends nothing: its processes would train on, and
    a run that is started again would find their work dir in use.
    """
    launcher = environment.launcher()
    if launcher is None or not hasattr(torch.multiprocessing, PRCTL):
        return
    if os.getppid() == launcher:
        getattr(torch.multiprocessing, PRCTL)(signal.SIGTERM)
    # It may have gone before that. What was started through another program
    # lives as long as that one does.
    if not _exists(launcher):
        os.kill(os.getpid(), signal.SIGTERM)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def join_on_cpu(cfg: Config) -> None:
    """Joins the processes of a run by gloo, unless that has been done.

    Raises:
        LostProcess: If they do not come together.
    """
    if torch_dist.is_initialized():
        return
    set_rendezvous(cfg.launcher)
    timeout = timedelta(seconds=waiting_time(cfg))
    try:
        torch_dist.init_process_group('gloo', timeout=timeout)
    except RuntimeError as error:
        lost = lost_process(error, cfg)
        if lost is None:
            raise
        raise lost from error


def set_rendezvous(launcher: str) -> None:
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


def lost_process(error: Exception, cfg: Any) -> LostProcess | None:
    """What an error of torch's means, if it is about other processes.

    Args:
        error (Exception): Of torch.distributed, or a RuntimeError of gloo.
        cfg (Config): The run's.
    """
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    env = os.environ
    place = f'{env.get("MASTER_ADDR")}:{env.get("MASTER_PORT")}'
    world = env.get('WORLD_SIZE', '?')
    seconds = waiting_time(cfg)
    me = f'process {env.get("RANK", "?")} of {world}'
    limit = f'{seconds} s (TIMEOUT)'
    if 'EADDRINUSE' in text:
        return LostProcess(
            f'port {env.get("MASTER_PORT")} of {env.get("MASTER_ADDR")} is in '
            'use: choose another one with MASTER_PORT'
        )
    clients = re.search(r'(\d+)/(\d+) clients joined', text)
    if clients:
        return LostProcess(
            f'{clients[1]} of {world} processes came to {place} within {limit}'
        )
    if 'client socket has' in text:
        return LostProcess(f'{me}: no first process at {place} within {limit}')
    is_network = isinstance(error, torch_dist.DistNetworkError)
    if is_network and not torch_dist.is_initialized() and _ENDED.search(text):
        return LostProcess(
            f'{me}: what answers at {place} is not the first process of this '
            'run, or has ended: look at MASTER_ADDR and MASTER_PORT'
        )
    late = re.search('[Tt]imed out|[Tt]ime-?out', text)
    if isinstance(error, torch_dist.DistError) and late:
        return LostProcess(f'{me} waited at {place} in vain, for {limit}')
    if re.search('gloo|NCCL|ProcessGroup', text) is None:
        return None
    if late:
        return LostProcess(
            f'{me} waited in vain for another one, for {limit}: that one '
            'hangs, or takes longer for its step'
        )
    closed = re.search(r'Connection (closed by peer|reset by peer)', text)
    if closed or 'remote process exited' in text:
        return LostProcess(f'{me} has lost another one, which has ended')
    return None
