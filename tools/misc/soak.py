#!/usr/bin/env python
"""Trains for thousands of steps and shows what the run holds on to.

    python tools/misc/soak.py --steps 2000 --interval 100

A small model trains with loader workers and a validation every so many steps,
by tools/train.py in a process of its own. Once a second all processes of the
run are looked at from outside: memory, open files and threads. Memory is the
resident one without files on disk; what a worker has in common with the
process that it was forked from counts in both, so that a page which one of
them begins to write to is no growth. Shown are the values at the end of each
validation, and how many the last half has more than the half before it: that
is 0 if nothing is kept. The exit code is 1 if memory grows by more than 2 %,
or files or threads at all.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs' / 'quickstart'
# Images of 64 pixels: a step takes a fraction of a second.
SIZE, IMAGES, VALIDATION, BATCH = 64, 128, 32, 4
# Growth of memory that is noise of the allocator.
TOLERANCE = 0.02


class Held(NamedTuple):
    """What the processes of a run hold at one moment.

    Attributes:
        step: Steps that the log has.
        memory: Bytes, of all processes.
        files: Open file handles.
        threads: Of all processes.
        processes: How many there are.
    """

    step: int
    memory: int
    files: int
    threads: int
    processes: int


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--steps', type=int, default=2000)
    parser.add_argument(
        '--interval', type=int, default=100, help='steps from one validation'
    )
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--processes', type=int, default=1)
    parser.add_argument('--out', type=Path, help='a figure (PNG)')
    parser.add_argument('--work-dir', type=Path, help='where the run stays')
    return parser.parse_args()


def start(folder: Path, args: argparse.Namespace) -> subprocess.Popen:
    """Makes the data and starts the run."""
    data = folder / 'data'
    shapes = ROOT / 'tools' / 'dataset_tools' / 'shapes.py'
    sizes = f'--train {IMAGES} --val {VALIDATION} --size {SIZE}'.split()
    subprocess.run(
        [sys.executable, shapes, '--classification', '--out', data, *sizes],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    steps_an_epoch = IMAGES // (BATCH * args.processes)
    epochs = -(-args.steps // steps_an_epoch)
    options = [
        f'train_dataloader.dataset.data_root={data}/',
        f'val_dataloader.dataset.data_root={data}/',
        f'train_dataloader.batch_size={BATCH}',
        f'train_dataloader.num_workers={args.workers}',
        f'val_dataloader.num_workers={args.workers}',
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={max(args.interval // steps_an_epoch, 1)}',
        f'param_scheduler.1.end={epochs}',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.max_keep_ckpts=2',
    ]
    with open(folder / 'log.txt', 'w') as log:
        return subprocess.Popen(
            [
                'bash',
                ROOT / 'tools' / 'dist_train.sh',
                CONFIGS / 'uniformer-tiny_shapes.py',
                str(args.processes),
                '--work-dir',
                folder / 'run',
                '--cfg-options',
                *options,
            ],
            env=dict(os.environ, PYTHON=sys.executable),
            stdout=log,
            stderr=log,
        )


def watch(run: subprocess.Popen, folder: Path) -> list[list[Held]]:
    """Looks once a second; what was seen between two validations each."""
    seen: list[list[Held]] = [[]]
    while run.poll() is None:
        step, validations = progress(folder)
        held = look(run.pid, step)
        # While processes start or end there are others each time.
        if held is not None and step:
            while len(seen) <= validations:
                seen.append([])
                sys.stderr.write(f'\rstep {step}: {held.memory >> 20} MiB  ')
            seen[validations].append(held)
        time.sleep(1)
    sys.stderr.write('\n')
    # What comes after the last validation is the end of the run.
    return [each for each in seen[:-1] if each]


def progress(folder: Path) -> tuple[int, int]:
    """Steps and validations that the run has logged."""
    text = ''
    for file in folder.glob('run/*/vis_data/scalars.json'):
        text = file.read_text()
    steps = re.findall(r'"loss".*"step": (\d+)', text)
    return int(steps[-1]) if steps else 0, text.count('accuracy/top1')


def look(pid: int, step: int) -> Held | None:
    """What a process and all below it hold; None if one has just ended."""
    pids, parents = {pid}, _parents()
    while (
        more := {p for p, parent in parents.items() if parent in pids} - pids
    ):
        pids |= more
    memory = files = threads = 0
    try:
        for each in pids:
            folder = Path('/proc') / str(each)
            status = (folder / 'status').read_text()
            for kind in ('Anon', 'Shmem'):
                found = re.search(rf'^Rss{kind}:\s+(\d+)', status, re.M)
                memory += int(found[1]) << 10
            files += len(os.listdir(folder / 'fd'))
            threads += len(os.listdir(folder / 'task'))
    except (OSError, TypeError):
        return None
    return Held(step, memory, files, threads, len(pids))


def _parents() -> dict[int, int]:
    """Parents of all processes."""
    parents = {}
    for folder in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            status = (folder / 'stat').read_text().rpartition(')')[2]
            parents[int(folder.name)] = int(status.split()[1])
    return parents


def report(seen: list[list[Held]]) -> bool:
    """Prints the table; whether all stays flat."""
    # Of each interval the middle: single looks meet a start of workers.
    middles = [
        Held(
            each[-1].step,
            *(
                int(statistics.median(held[column] for held in each))
                for column in range(1, 5)
            ),
        )
        for each in seen
    ]
    write = sys.stdout.write
    write('| steps | memory, MiB | files | threads | processes |\n')
    write('|---|---|---|---|---|\n')
    for held in middles[:: max(len(middles) // 10, 1)]:
        write(
            f'| {held.step} | {held.memory / 2**20:.0f} | {held.files} '
            f'| {held.threads} | {held.processes} |\n'
        )
    # The first tenth is warming up: imports, caches, a first validation.
    warm = middles[max(len(middles) // 10, 1) :]
    half = len(warm) // 2
    growth = {
        name: statistics.median(getattr(held, name) for held in warm[half:])
        / statistics.median(getattr(held, name) for held in warm[:half])
        - 1
        for name in ('memory', 'files', 'threads')
    }
    write('\n' + json.dumps({k: round(v, 4) for k, v in growth.items()}))
    write('\n')
    return (
        growth['memory'] <= TOLERANCE
        and max(growth['files'], growth['threads']) <= 0
    )


def draw(seen: list[list[Held]], out: Path) -> None:
    """A panel for each of memory, files and threads, over the steps."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    all_seen = [held for each in seen for held in each]
    steps = [held.step for held in all_seen]
    figure, axes = pyplot.subplots(
        1, 3, figsize=(9, 2.6), layout='constrained'
    )
    values = {
        'memory, MiB': [held.memory / 2**20 for held in all_seen],
        'open files': [held.files for held in all_seen],
        'threads': [held.threads for held in all_seen],
    }
    for axis, (name, column) in zip(axes, values.items(), strict=True):
        axis.plot(steps, column, '.', markersize=2)
        axis.set(title=name, xlabel='step', ylim=(0, 1.2 * max(column)))
        axis.grid(alpha=0.3)
    figure.savefig(out, dpi=120)


def main(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix='soak-') as temporary:
        folder = args.work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = start(folder, args)
        try:
            seen = watch(run, folder)
        finally:
            run.terminate()
            run.wait()
        if run.returncode:
            sys.stderr.write((folder / 'log.txt').read_text()[-3000:])
            return 1
        if args.out:
            draw(seen, args.out)
        return int(not report(seen))


if __name__ == '__main__':
    sys.exit(main(parse_args()))
