"""Pictures of what a config's data pipeline gives to the model."""

from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.visualization import Visualizer
from rich.progress import track

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.machine import check_display
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.prepare import host_of, prepare
from mmuniformer.errors import UserError
from mmuniformer.visualization.samples import (
    build_visualizer,
    draw_sample,
    set_metainfo,
    side_by_side,
)
from mmuniformer.visualization.steps import (
    MODES,
    Notes,
    StepRecorder,
    first_of_each,
    members,
    metainfo_at,
    shown_steps,
)

__all__ = ['MODES', 'PHASES', 'browse']

PHASES = ('train', 'val', 'test')
# What a config, above all one that a run wrote, may say of its run: data are
# drawn whether or not that could start here.
NO_RUN = dict(
    launcher='none',
    device=None,
    work_dir=None,
    load_from=None,
    resume=False,
    val_evaluator=None,
    test_evaluator=None,
)


def browse(
    config: str,
    phase: str = 'train',
    mode: str = 'transformed',
    number: int = 10,
    out_dir: str | None = None,
    show: bool = False,
    cfg_options: dict[str, Any] | None = None,
    check: bool = True,
) -> None:
    """Draws the samples of a config's data set with their annotations.

    Args:
        config (str): Config file.
        phase (str): Which dataloader: 'train', 'val' or 'test'.
        mode (str): 'transformed' for what the model gets, 'original' for
            what the files hold, 'pipeline' for each step that changes it.
        number (int): How many samples, of data sets that are joined in one
            the first of each.
        out_dir (str, optional): Folder for the pictures; by default, and
            unless a window is asked for, ``work_dirs/<config>/browse``.
        show (bool): Show each picture in a window.
        cfg_options (dict, optional): Values by dotted key.
        check (bool): Look at the data first, and stop at an error.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_config(config, cfg_options, **NO_RUN)
    host_of(cfg, 'browse_dataset.py')
    if number < 1:
        raise UserError(f'--number must be at least 1, not {number}')
    if out_dir is None and not show:
        out_dir = str(Path('work_dirs', Path(cfg.filename).stem, 'browse'))
    findings = check_inputs(cfg, (phase,), data=check)
    stop_on_errors(chain(check_display(show), findings))
    prepare(cfg)
    with readable_errors(cfg):
        dataset = _dataset(cfg, phase)
        chosen = first_of_each(members(dataset), number, len(dataset))
        recorder = StepRecorder(dataset, mode)
        visualizer = build_visualizer(cfg)
        for index in track(chosen, description=f'{phase} samples'):
            sample = recorder.read(index)
            picture = _picture(cfg, visualizer, sample, mode)
            if out_dir is not None:
                name = f'{phase}_{index:04d}_{_name(sample)}.png'
                _write(picture, Path(out_dir, name))
            if show:
                visualizer.show(picture, win_name=f'{phase} {index}')


def _dataset(cfg: Config, phase: str) -> Any:
    loader = cfg.get(f'{phase}_dataloader')
    if loader is None:
        raise UserError(f'config {cfg.filename} has no {phase}_dataloader')
    dataset = DATASETS.build(loader.dataset)
    dataset.full_init()
    return dataset


def _picture(
    cfg: Config,
    visualizer: Visualizer,
    sample: list[tuple[str, Notes]],
    mode: str,
) -> np.ndarray:
    """One picture of a sample: its steps and branches side by side."""
    pictures, drawn = [], set()
    for branch, notes in sample:
        for step in shown_steps(notes, mode):
            if step in drawn:
                # Of what comes before the branches.
                continue
            drawn.add(step)
            set_metainfo(cfg, visualizer, metainfo_at(notes, step))
            picture = draw_sample(
                cfg.default_scope,
                visualizer,
                step.results,
                step.packed_by(notes.pack),
            )
            pictures.append((f'{branch} {step.name}'.strip(), picture))
    if mode == 'pipeline' or len(pictures) > 1:
        return side_by_side(pictures)
    return pictures[0][1]


def _name(sample: list[tuple[str, Notes]]) -> str:
    """Name of the image or video that a sample is of, without its suffix."""
    results = sample[0][1].steps[-1].results
    # mmaction2's videos have the latter.
    path = results.get('img_path') or results.get('filename', '')
    name = Path(path).stem.encode()[:200]
    return name.decode(errors='ignore')


def _write(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])
