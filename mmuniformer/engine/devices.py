"""Devices and processes: the same config on one CPU, one GPU or a cluster."""

from mmengine.config import Config
from mmengine.device import get_device

from mmuniformer.engine.joining import join_on_cpu
from mmuniformer.nodes import type_name, walk


def fit_to_devices(cfg: Config) -> list[str]:
    """Fits a config to this machine's devices.

    Without an accelerator, mixed precision is turned off (mmengine's needs
    one), processes talk through gloo instead of nccl and SyncBatchNorm,
    which has no CPU kernel, becomes BatchNorm.

    Args:
        cfg (Config): Changed in place; ``cfg.launcher`` is read.

    Returns:
        list[str]: A line for the log for each change.
    """
    if get_device() != 'cpu':
        return []
    notes = _without_amp(cfg) + _without_sync_bn(cfg)
    if cfg.get('launcher', 'none') != 'none':
        notes += _cpu_processes(cfg)
    return notes


def _without_amp(cfg: Config) -> list[str]:
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None or type_name(wrapper) != 'AmpOptimWrapper':
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
        if type_name(node) in ('SyncBN', 'MMSyncBN')
    ]
    for node in sync_bn:
        node['type'] = 'BN'
    if not sync_bn:
        return []
    return [
        'No accelerator here: BN instead of SyncBN, which has no CPU kernel.'
    ]


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
    join_on_cpu(cfg)
    return notes
