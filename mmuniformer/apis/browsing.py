"""Pictures of what a config's data pipeline gives to the model."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS
from rich.progress import track

from mmuniformer.checks import check_inputs, stop_on_errors
from mmuniformer.checks.machine import check_display
from mmuniformer.datasets import CheckLabels, RepeatAugment
from mmuniformer.engine.config import load_config
from mmuniformer.engine.explain import readable_errors
from mmuniformer.engine.prepare import host_of, prepare
from mmuniformer.errors import UserError
from mmuniformer.visualization.samples import (
    build_visualizer,
    draw_sample,
    frames_of,
    side_by_side,
)

MODES = ('transformed', 'original', 'pipeline')
PHASES = ('train', 'val', 'test')
# Transforms that read and decode: what they give is the original.
READING = ('Load', 'Decord', 'OpenCV', 'PyAV', 'RawFrame', 'SampleFrames')
READING += ('UniformSample', 'DenseSample')
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
) -> None:
    """Draws the samples of a config's data set with their annotations.

    Args:
        config (str): Config file.
        phase (str): Which dataloader: 'train', 'val' or 'test'.
        mode (str): 'transformed' for what the model gets, 'original' for
            what the files hold, 'pipeline' for each step that changes it.
        number (int): How many samples.
        out_dir (str, optional): Folder for the pictures; by default, and
            unless a window is asked for, ``work_dirs/<config>/browse``.
        show (bool): Show each picture in a window.
        cfg_options (dict, optional): Values by dotted key.

    Raises:
        UserError: For a mistake in what the user gave.
    """
    cfg = load_config(config, cfg_options, **NO_RUN)
    host_of(cfg, 'browse_dataset.py')
    if number < 1:
        raise UserError(f'--number must be at least 1, not {number}')
    if out_dir is None and not show:
        out_dir = str(Path('work_dirs', Path(config).stem, 'browse'))
    findings = chain(check_display(show), check_inputs(cfg, (phase,)))
    stop_on_errors(findings)
    prepare(cfg)
    with readable_errors(cfg):
        dataset = _dataset(cfg, phase)
        visualizer = build_visualizer(cfg, dataset.metainfo)
        count = min(number, len(dataset))
        for index in track(range(count), description=f'{phase} samples'):
            pictures = [
                (
                    caption,
                    draw_sample(
                        cfg.default_scope, visualizer, results, sample
                    ),
                )
                for caption, results, sample in _steps(dataset, index, mode)
            ]
            picture = pictures[0][1]
            if mode == 'pipeline':
                picture = side_by_side(pictures)
            if out_dir is not None:
                _write(picture, Path(out_dir, f'{phase}_{index:04d}.png'))
            if show:
                visualizer.show(picture, win_name=f'{phase} {index}')


def _dataset(cfg: Config, phase: str) -> Any:
    loader = cfg.get(f'{phase}_dataloader')
    if loader is None:
        raise UserError(f'config {cfg.filename} has no {phase}_dataloader')
    dataset = DATASETS.build(loader.dataset)
    while not hasattr(dataset, 'pipeline'):
        # Wrappers that repeat, join or balance data sets.
        inner = getattr(dataset, 'dataset', None)
        dataset = inner if inner is not None else dataset.datasets[0]
    return dataset


def _steps(
    dataset: Any, index: int, mode: str
) -> Iterator[tuple[str, dict, Any]]:
    """Caption, results and packed sample of the steps that ``mode`` shows."""
    *transforms, pack = dataset.pipeline.transforms
    if isinstance(pack, RepeatAugment):
        # One of the copies.
        transforms += pack.transforms.transforms
        pack = transforms.pop()
    pack = deepcopy(pack)
    if hasattr(pack, 'pack_transformed'):
        pack.pack_transformed = True
    whole, dataset.pipeline = dataset.pipeline, lambda results: results
    try:
        results = dataset.prepare_data(index)
    finally:
        dataset.pipeline = whole
    shown = []
    # Of ours, and no step of the config.
    steps = [t for t in transforms if not isinstance(t, CheckLabels)]
    for transform in transforms:
        before = frames_of(results)
        results = transform(results)
        if results is None:
            raise UserError(
                f'sample {index}: {type(transform).__name__} dropped it '
                '(nothing is left to learn from); choose others'
            )
        name = type(transform).__name__
        reading = name.startswith(READING)
        changed = _changed(before, frames_of(results))
        last = transform is steps[-1]
        new = changed or last or name.startswith('Load')
        if mode == 'pipeline' and new and frames_of(results):
            shown.append((name, _copy(results)))
        elif mode == 'original' and reading:
            shown = [(name, _copy(results))]
    if mode == 'transformed':
        shown = [('', results)]
    for name, step in shown:
        yield name, step, pack.transform(_copy(step))['data_samples']


def _copy(results: dict) -> dict:
    # An open video cannot be copied, and no later step reads it.
    return deepcopy({k: v for k, v in results.items() if k != 'video_reader'})


def _changed(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return len(before) != len(after) or any(
        a is not b and not np.array_equal(a, b)
        for a, b in zip(before, after, strict=True)
    )


def _write(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])
