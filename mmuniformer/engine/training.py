"""Training a config of any OpenMMLab library."""

from typing import Any

from mmengine.config import Config

from mmuniformer.engine.checkpoints import (
    check_checkpoint,
    check_resumable,
    is_url,
    latest_checkpoint,
    save_atomically,
)
from mmuniformer.engine.cli import build_runner
from mmuniformer.engine.config import load_config
from mmuniformer.engine.errors import readable_errors
from mmuniformer.engine.hooks import PublishedCheckpointHook
from mmuniformer.engine.hosts import set_host_defaults
from mmuniformer.engine.keypoints import check_keypoints
from mmuniformer.engine.labels import check_labels
from mmuniformer.engine.launch import prepare_device, prepare_work_dir
from mmuniformer.engine.video_lists import check_video_lists
from mmuniformer.engine.videos import check_videos
from mmuniformer.errors import UserError


def train(
    config: str,
    work_dir: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    no_validate: bool = False,
    cfg_options: dict[str, Any] | None = None,
    launcher: str = 'none',
) -> None:
    """Trains a config.

    Args:
        config (str): Config file.
        work_dir (str, optional): Folder for logs and checkpoints.
        resume (str, optional): ``'auto'`` for the newest whole checkpoint in
            ``work_dir``, or a checkpoint file.
        amp (bool): Mixed precision. On a machine without an accelerator it
            is float32, with a line in the log.
        auto_scale_lr (bool): Scale the learning rate to the batch size.
        no_validate (bool): No validation during training.
        cfg_options (dict, optional): Values by dotted key.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_config(config, cfg_options)
    cfg.launcher = launcher
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(key) is None:
            raise UserError(f'config {config} cannot train: it has no {key}')
    prepare_work_dir(cfg, work_dir)
    if no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if amp:
        _use_amp(cfg)
    if auto_scale_lr:
        _use_scaled_lr(cfg)
    set_host_defaults(cfg)
    notes = _set_resume(cfg, resume) + prepare_device(cfg)
    _save_safely(cfg)
    check_keypoints(cfg)
    check_labels(cfg)
    check_video_lists(cfg, ('train', 'val'))
    check_videos(cfg)
    with readable_errors(cfg):
        runner = build_runner(cfg, notes)
        runner.register_hook(PublishedCheckpointHook())
        runner.train()


def _use_amp(cfg: Config) -> None:
    wrapper = cfg.optim_wrapper
    kind = wrapper.get('type', 'OptimWrapper')
    kind = getattr(kind, '__name__', str(kind))
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(
            f'--amp replaces an OptimWrapper, and the optim_wrapper of the '
            f'config is a {kind}'
        )
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('loss_scale', 'dynamic')


def _use_scaled_lr(cfg: Config) -> None:
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise UserError(
            '--auto-scale-lr: the config does not say for which batch size '
            'its learning rate is; set auto_scale_lr.base_batch_size'
        )
    cfg.auto_scale_lr.enable = True


def _set_resume(cfg: Config, resume: str | None) -> list[str]:
    """Finds and checks the file to start from; returns lines for the log."""
    if resume is None and not cfg.get('resume'):
        load_from = cfg.get('load_from')
        if load_from and not is_url(load_from):
            check_checkpoint(load_from)
        return []
    cfg.resume = True
    if resume is None:
        resume = cfg.get('load_from') or 'auto'
    notes: list[str] = []
    if resume == 'auto':
        cfg.load_from, notes = latest_checkpoint(cfg.work_dir)
        if cfg.load_from is None:
            notes = [
                f'--resume: no checkpoint in {cfg.work_dir} yet, training '
                'starts from the beginning.'
            ]
    elif is_url(resume):
        cfg.load_from = resume
    else:
        check_resumable(resume)
        cfg.load_from = resume
    return notes


def _save_safely(cfg: Config) -> None:
    save_atomically()
    if cfg.get('default_hooks') is None:
        cfg.default_hooks = {}
    hook = cfg.default_hooks.get('checkpoint', dict(type='CheckpointHook'))
    if hook is None:
        return
    kind = getattr(hook['type'], '__name__', hook['type'])
    if kind in ('CheckpointHook', 'mmengine.CheckpointHook'):
        hook = dict(hook, type='mmuniformer.SafeCheckpointHook')
    cfg.default_hooks.checkpoint = hook
