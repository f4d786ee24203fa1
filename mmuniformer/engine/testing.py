"""Testing a checkpoint with a config of any OpenMMLab library."""

import json
import math
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from mmuniformer.engine.checkpoints import (
    AtomicLocalBackend,
    check_checkpoint,
    is_url,
)
from mmuniformer.engine.cli import build_runner
from mmuniformer.engine.config import load_config
from mmuniformer.engine.errors import readable_errors
from mmuniformer.engine.hooks import (
    CheckpointMatchHook,
    PublishedCheckpointHook,
)
from mmuniformer.engine.hosts import (
    augment_at_test_time,
    draw_predictions,
    dump_predictions,
    set_host_defaults,
)
from mmuniformer.engine.keypoints import check_keypoints
from mmuniformer.engine.labels import check_labels
from mmuniformer.engine.launch import (
    check_display,
    prepare_device,
    prepare_work_dir,
)
from mmuniformer.engine.video_lists import check_video_lists
from mmuniformer.engine.videos import check_videos
from mmuniformer.errors import UserError

METRICS_FILE = 'metrics.json'


def evaluate(
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
) -> dict[str, Any]:
    """Tests a checkpoint and writes ``<work_dir>/metrics.json``.

    Args:
        config (str): Config file.
        checkpoint (str): Checkpoint file or URL. It must hold every
            parameter of the config's model.
        work_dir (str, optional): Folder for the log and the metrics.
        out (str, optional): Pickle file that gets the predictions.
        show (bool): Show each image in a window.
        show_dir (str, optional): Folder that gets a picture of each image.
        wait_time (float): Seconds that a window stays.
        tta (bool): Test-time augmentation.
        cfg_options (dict, optional): Values by dotted key.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.

    Returns:
        dict[str, Any]: The metrics.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_config(config, cfg_options)
    cfg.launcher = launcher
    for key in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        if cfg.get(key) is None:
            raise UserError(f'config {config} cannot test: it has no {key}')
    if out is not None and not out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out {out}: the file must end in .pkl or .pickle')
    check_display(show)
    if not is_url(checkpoint):
        check_checkpoint(checkpoint)
    prepare_work_dir(cfg, work_dir)
    cfg.load_from, cfg.resume = checkpoint, False
    set_host_defaults(cfg)
    if tta:
        augment_at_test_time(cfg)
    if show or show_dir is not None:
        draw_predictions(cfg, show, show_dir, wait_time)
    if out is not None:
        dump_predictions(cfg, out)
    notes = prepare_device(cfg)
    check_keypoints(cfg)
    check_labels(cfg)
    check_video_lists(cfg, ('test',))
    check_videos(cfg)
    with readable_errors(cfg):
        runner = build_runner(cfg, notes)
        runner.register_hook(PublishedCheckpointHook())
        runner.register_hook(CheckpointMatchHook())
        metrics = runner.test()
    if is_main_process():
        write_metrics(cfg, checkpoint, metrics)
    return metrics


def write_metrics(
    cfg: Config, checkpoint: str, metrics: dict[str, Any]
) -> None:
    """Writes what was tested and its metrics; not-a-number becomes null."""
    values = {}
    for name, value in metrics.items():
        value = value.item() if hasattr(value, 'item') else value
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        values[name] = value
    text = json.dumps(
        dict(
            config=str(cfg.filename),
            checkpoint=checkpoint,
            metrics=values,
        ),
        indent=2,
        default=str,
    )
    path = Path(cfg.work_dir) / METRICS_FILE
    AtomicLocalBackend().put_text(text + '\n', path)
