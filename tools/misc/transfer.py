#!/usr/bin/env python
"""Measure what pre-training is worth, on generated data.

Trains a small classifier with and without token labeling (whose label maps a
teacher makes, trained longer on larger images), publishes its weights, starts
the quickstart models of the other tasks from them and from scratch, all with
equal steps, and writes a table and curves. What is done is kept: the same
command goes on where it was stopped.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console
from rich.progress import Progress

from mmuniformer.cli import run_command

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / 'configs' / 'quickstart'
SCRATCH, CLASSES, TOKENS, RIGHT = STARTS = (
    'scratch',
    'classes',
    'token labels',
    'token labels, axes in order',
)
# Of the teacher, whose label maps have places of 32 pixels. A classifier
# knows little of images of a size that it was not trained at.
TEACHER, TEACHER_SIZE, TEACHER_STEPS = 'teacher', 96, 1600
SIZE = 64
POINTS = 4  # of a curve
ARCH = dict(
    depths=(1, 1, 2, 1),
    embed_dims=(32, 64, 160, 256),
    head_dim=32,
    conv_stem=True,
)


@dataclass(frozen=True)
class Task:
    """A quickstart config, and what is changed in it.

    Attributes:
        config: The config.
        title: For people.
        metric: What is compared.
        best: The best value of the metric.
        steps: How many are trained.
        rate: Learning rate.
        data: Folder of the data set.
        evaluator: Whether the evaluator reads annotations, and which.
        changes: By top key; of the config's dicts.
    """

    config: str
    title: str
    metric: str
    steps: int
    rate: float
    best: float = 1.0
    data: str = 'shapes'
    evaluator: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)


TASKS = {
    'cls': Task(
        config='uniformer-tiny_shapes.py',
        title='Classification, top-1',
        metric='accuracy/top1',
        best=100.0,
        steps=900,
        rate=7e-4,
        data='shapes_cls',
    ),
    'det': Task(
        config='mask-rcnn_uniformer-tiny_fpn_shapes.py',
        title='Mask R-CNN, box AP50',
        metric='coco/bbox_mAP_50',
        steps=200,
        rate=1e-3,
        evaluator='instances',
    ),
    'seg': Task(
        config='fpn_uniformer-tiny_shapes.py',
        title='Semantic FPN, mIoU',
        metric='mIoU',
        best=100.0,
        steps=100,
        rate=2e-3,
    ),
    'pose': Task(
        config='td-hm_uniformer-tiny_shapes.py',
        title='Pose, AP',
        metric='coco/AP',
        steps=100,
        rate=2e-3,
        evaluator='person_keypoints',
        # The other models' four stages, of which it uses three.
        changes=dict(model=dict(backbone=dict(arch=ARCH))),
    ),
    'video': Task(
        config='uniformer-tiny_8x2x1_shapes.py',
        title='Video, top-1',
        metric='acc/top1',
        steps=240,
        rate=1e-3,
        data='shapes_video',
        changes=dict(
            model=dict(
                backbone=dict(arch=ARCH), cls_head=dict(in_channels=256)
            )
        ),
    ),
}


@dataclass(frozen=True)
class Run:
    """A training: of a task, from a start, with a seed.

    For classification the start is what it learns from.
    """

    task: str
    start: str
    seed: int

    @property
    def name(self) -> str:
        start = self.start.replace(',', '').replace(' ', '-')
        return f'{self.task}_{start}_{self.seed}'


def stages(seeds: int) -> Iterator[list[Run]]:
    """All trainings; each stage needs what the one before it has made."""
    dense = [name for name in TASKS if name != 'cls']

    def runs(names: list[str], *starts: str) -> list[Run]:
        # Seed by seed: what is stopped has something of everything.
        return [
            Run(name, start, seed)
            for seed in range(seeds)
            for name in names
            for start in starts
        ]

    teacher = [Run('cls', TEACHER, 0)]
    yield teacher + runs(['cls'], CLASSES) + runs(dense, SCRATCH)
    yield runs(['cls'], TOKENS, RIGHT) + runs(dense, CLASSES)
    yield runs(dense, TOKENS)


def run_once(run: Run, out: Path, scale: float) -> None:
    """Trains unless that is done, and notes the metric over the steps."""
    from mmuniformer.apis import publish, train

    folder = out / 'runs' / run.name
    if (folder / 'result.json').exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begin = time.process_time()
    task = TASKS[run.task]
    steps = max(
        POINTS,
        round(scale * (TEACHER_STEPS if run.start == TEACHER else task.steps)),
    )
    if run.start == TEACHER:
        changes = from_classes(TEACHER_SIZE)
    elif run.start in (TOKENS, RIGHT) and run.task == 'cls':
        changes = token_labeling(labels_of(out), swap_axes=run.start == TOKENS)
    elif run.task == 'cls':
        changes = from_classes(SIZE)
    else:
        changes = starting_from(run, out)
    path = folder / 'config.py'
    write_config(path, task, changes, steps, run.seed, out)
    train(str(path), work_dir=str(folder))
    if run.task == 'cls':
        last = (folder / 'last_checkpoint').read_text().strip()
        publish(last, str(folder / 'published.pth'))
    if run.start == TEACHER:
        make_labels(run, out)
    curve = read_curve(folder, task.metric)
    result = dict(
        task=run.task,
        start=run.start,
        seed=run.seed,
        steps=[step for step, _ in curve],
        values=[value / task.best for _, value in curve],
        seconds=round(time.process_time() - begin, 1),
    )
    (folder / 'result.json').write_text(json.dumps(result))
    # Weights of what is not started from.
    for checkpoint in folder.glob('iter_*.pth'):
        checkpoint.unlink()


def labels_of(out: Path) -> Path:
    """Folder of the label maps."""
    return out / 'token_labels'


def make_labels(teacher: Run, out: Path) -> None:
    """Has a classifier make the label maps."""
    from mmuniformer.apis import make_token_labels

    make_token_labels(
        str(out / 'runs' / teacher.name / 'config.py'),
        weights_of(teacher, out),
        str(labels_of(out)),
        size=TEACHER_SIZE,
        batch_size=64,
        num_workers=0,
    )


def weights_of(run: Run, out: Path) -> str:
    """The published file of a classifier."""
    (path,) = (out / 'runs' / run.name).glob('published-*.pth')
    return str(path)


def starting_from(run: Run, out: Path) -> dict[str, Any]:
    """The model of a task from scratch or from a published file."""
    changes = dict(TASKS[run.task].changes)
    if run.start != SCRATCH:
        weights = weights_of(Run('cls', run.start, run.seed), out)
        init = dict(type='Pretrained', checkpoint=weights)
        model = dict(changes.get('model', {}))
        model['backbone'] = model.get('backbone', {}) | dict(init_cfg=init)
        changes['model'] = model
    return changes


CROP = dict(crop_ratio_range=(0.5, 1.0))
READ = dict(type='LoadImageFromFile')


def from_classes(size: int) -> dict[str, Any]:
    """Classification at a size, with the crops that token labeling gets."""
    pipeline = [
        READ,
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='RandomResizedCrop', scale=size, **CROP),
        dict(type='PackInputs'),
    ]
    whole = [
        READ,
        dict(type='Resize', scale=(size, size)),
        dict(type='PackInputs'),
    ]
    seen = dict(dataset=dict(pipeline=whole))
    return dict(
        train_dataloader=dict(dataset=dict(pipeline=pipeline)),
        val_dataloader=seen,
        test_dataloader=seen,
    )


def token_labeling(labels: Path, swap_axes: bool) -> dict[str, Any]:
    """Classification with the labels of tokens, and MixToken."""
    pipeline = [
        READ,
        dict(type='mmuniformer.LoadTokenLabel', label_root=str(labels)),
        dict(type='mmuniformer.TokenLabelFlip'),
        dict(type='mmuniformer.TokenLabelCrop', scale=SIZE, **CROP),
        dict(type='PackInputs', algorithm_keys=('token_label', 'token_crop')),
    ]
    return dict(
        model=dict(
            backbone=dict(mix_token=True),
            neck=None,
            head=dict(
                _delete_=True,
                type='mmuniformer.TokenLabelHead',
                num_classes=6,
                in_channels=ARCH['embed_dims'][-1],
                swap_axes=swap_axes,
            ),
        ),
        train_dataloader=dict(dataset=dict(pipeline=pipeline)),
    )


def write_config(
    path: Path,
    task: Task,
    changes: dict[str, Any],
    steps: int,
    seed: int,
    out: Path,
) -> None:
    """A config with these steps, whatever its library counts in."""
    root = str(out / 'data' / task.data) + '/'
    loader = dict(
        num_workers=0, persistent_workers=False, dataset=dict(data_root=root)
    )
    interval = max(1, steps // POINTS)
    warmup = max(1, steps // 10)
    common: dict[str, Any] = dict(
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        train_cfg=dict(
            _delete_=True,
            type='IterBasedTrainLoop',
            max_iters=steps,
            val_interval=interval,
        ),
        param_scheduler=[
            dict(
                type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup
            ),
            dict(
                type='CosineAnnealingLR',
                eta_min=1e-5,
                begin=warmup,
                end=steps,
                by_epoch=False,
            ),
        ],
        optim_wrapper=dict(optimizer=dict(lr=task.rate)),
        default_hooks=dict(
            logger=dict(
                interval=max(1, steps // 20), log_metric_by_epoch=False
            ),
            checkpoint=dict(
                _delete_=True,
                type='CheckpointHook',
                by_epoch=False,
                interval=steps,
            ),
        ),
        log_processor=dict(by_epoch=False),
        # In one process, mmengine gives a second training of this name the
        # visualizer of the first one, which writes into its folder.
        visualizer=dict(name=path.parent.name),
        randomness=dict(seed=seed),
    )
    if task.evaluator:
        file = f'{root}annotations/{task.evaluator}_val.json'
        common |= dict(
            val_evaluator=dict(ann_file=file),
            test_evaluator=dict(ann_file=file),
        )
    text = f'_base_ = {str(QUICKSTART / task.config)!r}\n'
    for key, value in merge(common, changes).items():
        text += f'{key} = {value!r}\n'
    path.write_text(text)


def merge(first: dict, second: dict) -> dict:
    """The second dict over the first, and so for the dicts within."""
    merged = dict(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def read_curve(folder: Path, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric, as mmengine has logged them."""
    (file,) = folder.glob('*/vis_data/scalars.json')
    entries = map(json.loads, file.read_text().splitlines())
    return [(e['step'], e[metric]) for e in entries if metric in e]


def make_data(out: Path) -> None:
    """Writes the data sets unless they are there."""
    from mmuniformer.datasets import shapes

    data = out / 'data'
    data.mkdir(parents=True, exist_ok=True)
    shapes.generate(data / 'shapes', train=400, val=60)
    shapes.generate_portraits(data / 'shapes_cls')
    shapes.generate_videos(data / 'shapes_video')


def prepare_worker(out: Path) -> None:
    """One thread, and a log instead of the screen."""
    import torch

    torch.set_num_threads(1)
    log = (out / f'worker-{os.getpid()}.log').open('a', buffering=1)
    sys.stdout = sys.stderr = log


def measure(out: Path, seeds: int, jobs: int, scale: float) -> None:
    """Makes all trainings, as many at once as there are jobs."""
    make_data(out)
    total = sum(len(stage) for stage in stages(seeds))
    with (
        Progress(console=Console(stderr=True)) as progress,
        # mmengine has one visualizer for all runs of a process, which would
        # write the curves of all into the folder of the first.
        ProcessPoolExecutor(
            jobs,
            get_context('spawn'),
            prepare_worker,
            (out,),
            max_tasks_per_child=1,
        ) as pool,
    ):
        bar = progress.add_task('trainings', total=total)
        for stage in stages(seeds):
            waiting = {
                pool.submit(run_once, run, out, scale): run for run in stage
            }
            try:
                for future in as_completed(waiting):
                    future.result()
                    progress.advance(bar)
                    progress.console.print(f'{waiting[future].name}: done')
            except BaseException:
                # Leaving the pool would wait for all that was submitted.
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def read_results(out: Path) -> dict[tuple[str, str], list[dict]]:
    """Results by task and start."""
    found = defaultdict(list)
    for path in sorted(out.glob('runs/*/result.json')):
        result = json.loads(path.read_text())
        found[result['task'], result['start']].append(result)
    return dict(found)


def table(results: dict[tuple[str, str], list[dict]]) -> str:
    """Mean and spread at the end, as Markdown."""
    lines = [
        '| | steps | from ' + ' | from '.join(STARTS) + ' |',
        '| :-- | --: | ' + ' | '.join(['--:'] * len(STARTS)) + ' |',
    ]
    for name, task in TASKS.items():
        cells = []
        for start in STARTS:
            runs = results.get((name, start), [])
            last = [100 * run['values'][-1] for run in runs]
            spread = f' ± {stdev(last):.1f}' if len(last) > 1 else ''
            cells.append(f'{mean(last):.1f}{spread}' if last else '')
        steps = {
            run['steps'][-1]
            for key, runs in results.items()
            for run in runs
            if key[0] == name and key[1] in STARTS
        }
        counted = ', '.join(map(str, sorted(steps)))
        lines.append(f'| {task.title} | {counted} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def draw(results: dict[tuple[str, str], list[dict]], path: Path) -> None:
    """The metric over the steps: each seed thin, their mean thick."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(TASKS), 3), layout='constrained')
    FigureCanvasAgg(figure)
    colours = dict(
        zip(STARTS, ('#888888', '#1f77b4', '#d95f02', '#7570b3'), strict=True)
    )
    handles = {}
    for axes, (name, task) in zip(
        figure.subplots(1, len(TASKS)), TASKS.items(), strict=True
    ):
        for start in STARTS:
            runs = results.get((name, start), [])
            if not runs:
                continue
            curves = [[100 * v for v in run['values']] for run in runs]
            steps = runs[0]['steps']
            for curve in curves:
                axes.plot(steps, curve, color=colours[start], lw=0.6)
            (handles[start],) = axes.plot(
                steps,
                [mean(values) for values in zip(*curves, strict=True)],
                color=colours[start],
                lw=2.2,
            )
        axes.set_title(task.title, fontsize=10)
        axes.set_xlabel('steps')
        axes.grid(alpha=0.3)
    figure.legend(
        handles.values(), handles, loc='outside lower center', ncols=4
    )
    figure.savefig(path, dpi=110)


def report(out: Path) -> None:
    """Writes what there is as JSON, as a table and as curves."""
    results = read_results(out)
    rows = [run for runs in results.values() for run in runs]
    (out / 'transfer.json').write_text(json.dumps(rows, indent=1) + '\n')
    (out / 'transfer.md').write_text(table(results))
    draw(results, out / 'transfer.png')
    minutes = sum(run['seconds'] for run in rows) / 60
    console = Console(highlight=False)
    console.print(table(results), markup=False, soft_wrap=True)
    console.print(f'{minutes:.0f} min of one core; {out}/transfer.png')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/transfer'),
        help='folder of everything (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds', type=int, default=3, help='default: %(default)s'
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        help='trainings at once, of one thread each (default: %(default)s)',
    )
    parser.add_argument(
        '--scale',
        type=float,
        default=1.0,
        help='multiplies all steps (default: %(default)s)',
    )
    return parser.parse_args()


def main(out: Path, seeds: int, jobs: int, scale: float) -> None:
    """Measures and reports; also what there is when it is stopped."""
    out = out.resolve()
    try:
        measure(out, seeds, jobs, scale)
    finally:
        report(out)


if __name__ == '__main__':
    arguments = vars(parse_args())
    sys.exit(run_command(lambda: main(**arguments)))
