"""Training a config of any OpenMMLab library."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.checkpoints import check_leftovers
from mmuniformer.checks.machine import check_trackers
from mmuniformer.engine.claims import claimed
from mmuniformer.engine.config import load_run_config
from mmuniformer.engine.hooks import (
    PreemptionHook,
    RunStateHook,
    how_to_go_on,
)
from mmuniformer.engine.joining import end_with_launcher
from mmuniformer.engine.prepare import go_on_after_restart, prepare
from mmuniformer.engine.runner import runner_of
from mmuniformer.signals import stop_requests


def train(
    config: str,
    work_dir: str | None = None,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    no_validate: bool = False,
    cfg_options: dict[str, Any] | None = None,
    launcher: str = 'none',
    check: bool = True,
    log_to: Sequence[str] = (),
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
        check (bool): Look at the data first: errors end the run, warnings
            and notes are lines of its log.
        log_to (Sequence[str]): Of 'tensorboard', 'wandb' and 'mlflow', those
            that get the numbers of the run besides.

    Raises:
        UserError: For a mistake in what the user gave.
        Preempted: After SIGTERM or SIGUSR1, when all is saved to go on.
        KeyboardInterrupt: After Ctrl-C, with how to go on.
    """
    keys: dict[str, Any] = dict(launcher=launcher)
    if resume is not None:
        keys |= dict(
            resume=True, load_from=None if resume == 'auto' else resume
        )
    with stop_requests() as request:
        end_with_launcher()
        cfg = load_run_config(
            config,
            cfg_options,
            'train',
            ('train_dataloader', 'train_cfg', 'optim_wrapper'),
            work_dir,
            amp=amp,
            **keys,
        )
        notes = go_on_after_restart(cfg)
        phases = ('train',) if no_validate else ('train', 'val')
        findings = check_inputs(cfg, phases, data=check)
        notes += stop_on_errors(
            chain(check_trackers(log_to), findings, check_leftovers(cfg))
        )
        notes += prepare(
            cfg,
            amp=amp,
            auto_scale_lr=auto_scale_lr,
            validate=not no_validate,
            log_to=log_to,
        )
        hooks = (RunStateHook(), PreemptionHook(request))
        with claimed(cfg), runner_of(cfg, notes, hooks) as runner:
            try:
                runner.train()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(how_to_go_on(runner)) from None
