#!/usr/bin/env python
"""Generate data, train a small model, test it and show what it finds."""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmuniformer.cli import run_command
from mmuniformer.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
# Of tools/dataset_tools/shapes.py.
OPTIONS = {
    'generate': [],
    'generate_portraits': ['--classification'],
    'generate_videos': ['--video'],
}
# A control above this: that something else has been learned.
MOST = 0.6
CONTROL = 'control/'
CONSOLE = Console(highlight=False)


@dataclass(frozen=True)
class Task:
    """What the demo of a task trains, draws and reports.

    Attributes:
        config: The quickstart config.
        draw: Module and function of mmuniformer.visualization that write the
            picture, given its file, config and predictions.
        table: Metrics by row and column. Those of `judged_by` must reach
            `least` in every row.
        judged_by: A column.
        least: Below this share of the best value, nothing has been learned.
        recipe: A published recipe to go on with.
        data: What it needs, and where.
        perfect: The best value of a metric; mmseg and mmpretrain count in
            percent.
        folder: Where the generated data are.
        generate: The function of mmuniformer.datasets.shapes that writes
            them there.
        control: A config that tests the model on what it should not
            understand; its metrics have `CONTROL` before their names, and the
            one judged must not exceed `MOST`.
    """

    config: str
    draw: tuple[str, str]
    table: dict[str, dict[str, str]]
    judged_by: str
    recipe: str
    least: float = 0.5
    data: str = 'COCO in data/coco'
    perfect: float = 1.0
    folder: Path = Path('data/shapes')
    generate: str = 'generate'
    control: str | None = None


TASKS = {
    'det': Task(
        config='configs/quickstart/mask-rcnn_uniformer-tiny_fpn_shapes.py',
        draw=('instances', 'detection_sheet'),
        table={
            row: {
                'AP': f'coco/{metric}_mAP',
                'AP50': f'coco/{metric}_mAP_50',
                'AP75': f'coco/{metric}_mAP_75',
            }
            for row, metric in {'box': 'bbox', 'mask': 'segm'}.items()
        },
        judged_by='AP50',
        recipe='configs/detection/mask_rcnn/'
        'mask-rcnn_uniformer-s-h14_fpn_amp-1x_coco.py',
    ),
    'seg': Task(
        config='configs/quickstart/fpn_uniformer-tiny_shapes.py',
        draw=('semantic', 'semantic_sheet'),
        table={
            'mean of classes': {'IoU': 'mIoU', 'accuracy': 'mAcc'},
        },
        judged_by='IoU',
        least=0.6,
        recipe='configs/segmentation/semantic_fpn/'
        'fpn_uniformer-s_8xb4-80k_ade20k-512x512.py',
        data='ADE20K in data/ade',
        perfect=100.0,
    ),
    'pose': Task(
        config='configs/quickstart/td-hm_uniformer-tiny_shapes.py',
        draw=('skeletons', 'pose_sheet'),
        table={
            'keypoints': {
                'AP': 'coco/AP',
                'AP50': 'coco/AP .5',
                'AP75': 'coco/AP .75',
            },
        },
        judged_by='AP',
        recipe='configs/pose/topdown_heatmap/'
        'td-hm_uniformer-small_8xb128-210e_coco-256x192.py',
    ),
    'cls': Task(
        config='configs/quickstart/uniformer-tiny_shapes.py',
        draw=('classes', 'class_sheet'),
        table={'one thing': {'top-1': 'accuracy/top1'}},
        judged_by='top-1',
        least=0.9,
        recipe='configs/classification/uniformer/'
        'uniformer-small_8xb128_in1k.py',
        data='ImageNet in data/imagenet',
        perfect=100.0,
        folder=Path('data/shapes_cls'),
        generate='generate_portraits',
    ),
    'video': Task(
        config='configs/quickstart/uniformer-tiny_8x2x1_shapes.py',
        draw=('actions', 'action_sheet'),
        table={
            row: {'top-1': f'{kind}acc/top1', 'classes': f'{kind}acc/mean1'}
            for row, kind in {
                'frames in order': '',
                'frames shuffled': CONTROL,
            }.items()
        },
        judged_by='top-1',
        least=0.8,
        recipe='configs/video/uniformer/'
        'uniformer-small_imagenet1k-pre_8xb4-16x4x1-110e_kinetics400-rgb.py',
        data='Kinetics-400 in data/kinetics400',
        folder=Path('data/shapes_video'),
        generate='generate_videos',
        control='configs/quickstart/'
        'uniformer-tiny_8x2x1_shapes_test-shuffled.py',
    ),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--task',
        dest='name',
        choices=TASKS,
        default='det',
        help='default: %(default)s',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder for all results (default: work_dirs/quickstart-TASK)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        default=[],
        help='change values of the config, as in tools/train.py',
    )
    return parser.parse_args()


def main(name: str, work_dir: Path | None, cfg_options: list[str]) -> None:
    """Runs all steps; raises a UserError if one fails."""
    start = time.monotonic()
    task = TASKS[name]
    work_dir = work_dir or Path('work_dirs') / f'quickstart-{name}'
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir / 'demo.log'
    log.write_text('')
    config = os.path.relpath(ROOT / task.config)
    changes = ['--cfg-options', *cfg_options] if cfg_options else []
    options = ['--work-dir', str(work_dir), *changes]

    if not task.folder.exists():
        kind = OPTIONS[task.generate]
        tool = ['tools/dataset_tools/shapes.py', *kind]
        say('Data', [*tool, '--out', str(task.folder)])
        shapes = import_module('mmuniformer.datasets.shapes')
        getattr(shapes, task.generate)(task.folder)
    # The test that follows is the validation.
    train = ['tools/train.py', config, '--no-validate', *options]
    run('Training', log, train)
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    predictions, pictures = work_dir / 'predictions.pkl', work_dir / 'pictures'
    options += ['--out', str(predictions), '--show-dir', str(pictures)]
    run('Testing', log, ['tools/test.py', config, checkpoint, *options])
    sheet = work_dir / 'demo.png'
    from mmengine.config import Config

    tested = Config.fromfile(work_dir / Path(config).name)
    module, function = task.draw
    module = import_module(f'mmuniformer.visualization.{module}')
    getattr(module, function)(sheet, tested, predictions)
    metrics = read_metrics(work_dir)
    if task.control:
        control = os.path.relpath(ROOT / task.control)
        options = ['--work-dir', str(work_dir / 'control'), *changes]
        run('Control', log, ['tools/test.py', control, checkpoint, *options])
        found = read_metrics(work_dir / 'control')
        metrics |= {CONTROL + name: value for name, value in found.items()}
    report(task, metrics, sheet, pictures, time.monotonic() - start)
    judge(task, metrics, log)


def say(title: str, command: list[str]) -> None:
    """Prints a step and what one would type for it."""
    CONSOLE.rule(f'[bold]{title}', align='left')
    CONSOLE.print(f'$ python {shlex.join(command)}', style='dim', markup=False)


def run(title: str, log: Path, command: list[str]) -> None:
    """Runs a script of this project; its full output goes to the log.

    The screen gets the progress alone, and of an unforeseen error the end.

    Raises:
        UserError: The script failed.
    """
    say(title, command)
    lines = []
    with (
        CONSOLE.status(f'{title}, full output in {log}'),
        log.open('a') as file,
        subprocess.Popen(
            [sys.executable, str(ROOT / command[0]), *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=environment(),
        ) as process,
    ):
        for line in process.stdout:
            file.write(line)
            lines.append(line)
            if progress := progress_of(line):
                CONSOLE.print(progress, markup=False)
    if process.returncode:
        _, told, reason = (lines or [''])[-1].strip().partition('error: ')
        if not told:
            CONSOLE.print(''.join(lines[-15:]), markup=False, soft_wrap=True)
            reason = f'exit code {process.returncode}, see {log}'
        raise UserError(f'{title.lower()} failed: {reason}')


def environment() -> dict[str, str]:
    """The environment for a script.

    OpenMP's threads that wait for others spin, which is fastest where the
    cores are free. Where anything else runs they had better sleep soon:
    spinning makes training many times slower there.
    """
    changes = {'PYTHONUNBUFFERED': '1'}
    if 'GOMP_SPINCOUNT' not in os.environ and cores_are_busy():
        changes['GOMP_SPINCOUNT'] = '1000'
    return os.environ | changes


def cores_are_busy() -> bool:
    """Whether other processes run; also True where nothing tells it."""
    running = []
    for _ in range(10):
        time.sleep(0.05)
        try:
            counts = Path('/proc/loadavg').read_text().split()[3]
        except OSError:
            return True
        # "2/345": so many run, this process among them, of so many.
        running.append(int(counts.partition('/')[0]))
    return statistics.median(running) > 1


def read_metrics(work_dir: Path) -> dict:
    """What ``tools/test.py`` has measured."""
    return json.loads((work_dir / 'metrics.json').read_text())['metrics']


def progress_of(line: str) -> str | None:
    """Where training stands, if a line of mmengine's log says so."""
    match = re.search(
        r'\(train\)\s+(\[.*\])\s.*\beta: ([\d:]+).*\bloss: (\S+)', line
    )
    if match is None:
        return None
    where, left, loss = match.groups()
    return f'{where:<14} loss {loss:<8} {left} left'


def report(
    task: Task, metrics: dict, sheet: Path, pictures: Path, seconds: float
) -> None:
    """Prints the metrics, where the pictures are and what to type next."""
    columns = next(iter(task.table.values()))
    table = Table('', *columns, title='On what it has not seen')
    for row, names in task.table.items():
        table.add_row(
            row,
            *(percent(metrics[name], task) for name in names.values()),
        )
    CONSOLE.rule()
    CONSOLE.print(table)
    minutes, seconds = divmod(round(seconds), 60)
    lines = [
        f'in {minutes} min {seconds} s',
        f'Look at    {sheet}',
        f'           {pictures}/ (everything that was tested)',
        f'Next       the published recipe, on {task.data}:',
        f'           bash tools/dist_train.sh {task.recipe} 8',
        '           the backbone in your own config: README.md',
    ]
    CONSOLE.print('\n'.join(lines), markup=False, soft_wrap=True)


def percent(value: float | None, task: Task) -> str:
    """A metric as people write it; None is what had no value."""
    return '-' if value is None else f'{100 * value / task.perfect:.1f}'


def judge(task: Task, metrics: dict, log: Path) -> None:
    """Raises a UserError if the model has not learned what it should."""
    for row, names in task.table.items():
        name = names[task.judged_by]
        value = metrics[name]
        told = f'{row} {task.judged_by} is {percent(value, task)}'
        if name.startswith(CONTROL):
            if value > MOST * task.perfect:
                raise UserError(
                    f'{told}, above {100 * MOST:g}: the model has learned '
                    f'something else; see {log}'
                )
        elif value is None or value < task.least * task.perfect:
            raise UserError(
                f'{told}, below {100 * task.least:g}: the model has not '
                f'learned; see {log}'
            )


if __name__ == '__main__':
    arguments = vars(parse_args())
    sys.exit(run_command(lambda: main(**arguments)))
