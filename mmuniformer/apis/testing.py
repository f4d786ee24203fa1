"""Testing a checkpoint with a config of any OpenMMLab library."""

import json
import math
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.machine import check_display
from mmuniformer.deployment.evaluating import is_exported
from mmuniformer.engine.backends import AtomicLocalBackend
from mmuniformer.engine.config import load_run_config
from mmuniformer.engine.hooks import CheckpointMatchHook
from mmuniformer.engine.prepare import prepare
from mmuniformer.engine.runner import runner_of
from mmuniformer.errors import UserError

METRICS_FILE = 'metrics.json'


def test(
    config: str,
    checkpoint: str,
    work_dir: str | None = None,
    out: str | None = None,
    show: bool = False,
    show_dir: str | None = None,
    wait_time: float = 2.0,
    tta: bool = False,
    cfg_options: dict[str, Any] | None = None,
    launcher: str = 'none',
    check: bool = True,
) -> dict[str, Any]:
    """Tests a checkpoint and writes ``<work_dir>/metrics.json``.

    Where a check ends the command, that file says why there are no metrics.

    Args:
        config (str): Config file.
        checkpoint (str): Checkpoint file or URL, which must hold every
            parameter of the config's model; or a file that
            :func:`export` has written of the whole model, which runs in its
            own runtime.
        work_dir (str, optional): Folder for the log and the metrics.
        out (str, optional): Pickle file that gets the predictions.
        show (bool): Show each image in a window.
        show_dir (str, optional): Folder that gets a picture of each image.
        wait_time (float): Seconds that a window stays.
        tta (bool): Test-time augmentation.
        cfg_options (dict, optional): Values by dotted key.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.
        check (bool): Look at the data first: errors end the run, warnings
            and notes are lines of its log.

    Returns:
        dict[str, Any]: The metrics.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_run_config(
        config,
        cfg_options,
        'test',
        ('test_dataloader', 'test_cfg', 'test_evaluator'),
        work_dir,
        launcher=launcher,
    )
    # Of this test: whoever trains from the config that is written does not
    # start from what was tested.
    exported = checkpoint if is_exported(checkpoint) else None
    cfg.load_from = None if exported else checkpoint
    cfg.resume = False
    if exported and tta:
        raise UserError(
            f'--tta: {checkpoint} runs as it was exported, without more'
        )
    if out is not None and not out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out {out}: the file must end in .pkl or .pickle')
    findings = check_inputs(cfg, ('test',), data=check)
    try:
        notes = stop_on_errors(chain(check_display(show), findings))
    except UserError as error:
        # The metrics of an earlier test are not those of this one.
        write_metrics(cfg, checkpoint, {}, error=str(error))
        raise
    notes += prepare(
        cfg,
        tta=tta,
        show=show,
        show_dir=show_dir,
        wait_time=wait_time,
        out=out,
        exported=exported,
    )
    with runner_of(cfg, notes, [CheckpointMatchHook()]) as runner:
        metrics = runner.test()
        samples = len(runner.test_loop.dataloader.dataset)
    if is_main_process():
        write_metrics(cfg, checkpoint, metrics, samples)
    return metrics


# Of no interest to pytest, which collects what is named so.
test.__test__ = False


def write_metrics(
    cfg: Config,
    checkpoint: str,
    metrics: dict[str, Any],
    samples: int | None = None,
    error: str | None = None,
) -> None:
    """Writes what was tested and its metrics; not-a-number becomes null.

    Args:
        cfg (Config): It has a ``work_dir``.
        checkpoint (str): As it was given.
        metrics (dict[str, Any]): Values by name.
        samples (int, optional): How many they are of.
        error (str, optional): Why there are none.
    """
    values = {}
    for name, value in metrics.items():
        value = value.item() if hasattr(value, 'item') else value
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        values[name] = value
    content = dict(
        config=str(cfg.filename), checkpoint=checkpoint, metrics=values
    )
    if samples is not None:
        content['samples'] = samples
    if error is not None:
        content['error'] = error
    text = json.dumps(content, indent=2, default=str)
    path = Path(cfg.work_dir) / METRICS_FILE
    AtomicLocalBackend().put_text(text + '\n', path)
