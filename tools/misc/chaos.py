#!/usr/bin/env python
"""Ends a training at random moments, many times, and shows what is left of it.

    python tools/misc/chaos.py --kills 50

A small model is trained to its end twice: left alone, and with tools/
dist_train.sh while its processes are ended. Each time one of these is drawn:
SIGKILL or SIGTERM, for the whole run or for one of its processes. The launcher
starts what it can again; a run that has ended is started with ``--resume``.
Shown are the kills, the starts, the steps that were done twice, and what of
the last checkpoints differs. The exit code is 1 if anything does.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'quickstart' / 'uniformer-tiny_shapes.py'
# Images of 64 pixels, few enough that an epoch is seconds.
IMAGES = 64
BATCH = 4
INTERVAL = 5
# Seconds after which a run that shows no new step has failed.
PATIENCE = 600


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--kills', type=int, default=50, metavar='N')
    parser.add_argument(
        '--processes', type=int, default=2, help='of the run (default: 2)'
    )
    parser.add_argument(
        '--workers', type=int, default=2, help='of each loader (default: 2)'
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=12,
        help='a kill comes after at most so many steps (default: 12)',
    )
    parser.add_argument(
        '--epochs',
        type=int,
        help='of the training; by default enough for all kills',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the kills')
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='where both runs stay (default: a temporary folder)',
    )
    return parser.parse_args()


@dataclass
class Story:
    """What happened to a run.

    Attributes:
        kills: By signal and what got it.
        starts: Of the run by this program; the launcher makes more.
        codes: Exit codes of the run.
        seconds: Until its end.
    """

    kills: Counter = field(default_factory=Counter)
    starts: int = 0
    codes: Counter = field(default_factory=Counter)
    seconds: float = 0.0


class Run:
    """A training in a work dir of its own.

    Args:
        folder (Path): The work dir.
        options (list[str]): For ``--cfg-options``.
        processes (int): How many it has.
    """

    def __init__(
        self, folder: Path, options: list[str], processes: int
    ) -> None:
        self.folder = folder
        self.options = options
        self.processes = processes
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / 'log.txt', 'a') as log:
            self.process = subprocess.Popen(
                [
                    'bash',
                    str(ROOT / 'tools' / 'dist_train.sh'),
                    str(CONFIG),
                    str(self.processes),
                    '--resume',
                    '--no-validate',
                    '--work-dir',
                    str(self.folder),
                    '--cfg-options',
                    *self.options,
                ],
                env=dict(
                    os.environ,
                    PYTHON=sys.executable,
                    MAX_RESTARTS='1000',
                    TIMEOUT='300',
                ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, signum: signal.Signals, whole: bool) -> None:
        """Sends a signal to the run, or to one of its processes."""
        if whole:
            # SIGTERM to the launcher, as a cluster does; SIGKILL to all, which
            # have process groups of their own.
            everyone = [self.process.pid]
            if signum == signal.SIGKILL:
                everyone += sorted(_children(self.process.pid))
            for pid in everyone:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
            return
        children = _children(self.process.pid)
        if children:
            with suppress(ProcessLookupError):
                os.kill(random.choice(sorted(children)), signum)

    def steps(self) -> list[list[int]]:
        """Steps that each start has logged, in their order."""
        starts = []
        for file in sorted(self.folder.glob('*/vis_data/scalars.json')):
            found = re.findall(r'"step": (\d+)', file.read_text())
            if found:
                starts.append([int(step) for step in found])
        return starts

    def last_checkpoint(self) -> Path:
        pointer = self.folder / 'last_checkpoint'
        return self.folder / Path(pointer.read_text().strip()).name


def _children(pid: int) -> set[int]:
    found = set()
    for folder in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            status = (folder / 'stat').read_text().rpartition(')')[2]
            if int(status.split()[1]) == pid:
                found.add(int(folder.name))
    return found


def leave_alone(run: Run) -> Story:
    """Trains to the end."""
    story, begin = Story(starts=1), time.monotonic()
    run.start()
    story.codes[run.process.wait()] += 1
    story.seconds = time.monotonic() - begin
    return story


def disturb(run: Run, kills: int, steps: int) -> Story:
    """Trains to the end, with some ends before that."""
    story, begin = Story(), time.monotonic()
    while True:
        story.starts += 1
        run.start()
        while story.kills.total() < kills:
            # One in ten while the processes start.
            early = random.random() < 0.1
            count = 0 if early else random.randint(1, steps)
            if not _wait_for_steps(run, count):
                break
            time.sleep(10 * random.random() if early else random.random())
            signum = random.choice((signal.SIGKILL, signal.SIGTERM))
            whole = random.random() < 0.5
            run.kill(signum, whole)
            whom = 'the run' if whole else 'one process'
            story.kills[f'{signum.name} to {whom}'] += 1
            if whole:
                break
        code = run.process.wait(PATIENCE)
        story.codes[code] += 1
        if code == 0:
            story.seconds = time.monotonic() - begin
            return story


def _wait_for_steps(run: Run, count: int) -> bool:
    """Waits until a run has done more steps; False if it ended."""
    before = sum(map(len, run.steps()))
    end = time.monotonic() + PATIENCE
    while sum(map(len, run.steps())) < before + count:
        if run.process.poll() is not None:
            return False
        if time.monotonic() > end:
            raise TimeoutError(f'no step in {PATIENCE} s: {run.folder}')
        time.sleep(0.05)
    return run.process.poll() is None


def done_twice(starts: list[list[int]]) -> list[int]:
    """Steps that each start has to do again, of those before it."""
    lost, reached = [], 0
    for steps in starts:
        if reached:
            lost.append(max(reached - steps[0] + 1, 0))
        reached = max(reached, *steps)
    return lost


def differing(one: Path, other: Path) -> tuple[int, int, float]:
    """Tensors of two checkpoints that differ, all, and by how much."""
    import torch

    from mmuniformer.checkpoint import read_checkpoint

    first, second = read_checkpoint(str(one)), read_checkpoint(str(other))
    count, total, most = 0, 0, 0.0
    for key in ('state_dict', 'ema_state_dict', 'optimizer'):
        tensors = dict(_tensors(first.get(key), key))
        others = dict(_tensors(second.get(key), key))
        for name in tensors.keys() | others.keys():
            total += 1
            a, b = tensors.get(name), others.get(name)
            if a is None or b is None or a.shape != b.shape:
                count, most = count + 1, float('inf')
            elif not torch.equal(a, b):
                gap = (a.double() - b.double()).abs().max()
                count, most = count + 1, max(most, float(gap))
    return count, total, most


def _tensors(value: object, name: str):
    """Tensors within dicts and lists, by their place."""
    if hasattr(value, 'detach'):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _tensors(each, f'{name}.{key}')
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _tensors(each, f'{name}.{index}')


def make_data(folder: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            str(ROOT / 'tools' / 'dataset_tools' / 'shapes.py'),
            '--classification',
            '--out',
            str(folder),
            '--train',
            str(IMAGES),
            '--val',
            '8',
            '--size',
            '64',
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def options_for(data: Path, epochs: int, workers: int) -> list[str]:
    return [
        f'train_dataloader.dataset.data_root={data}/',
        f'train_dataloader.num_workers={workers}',
        f'train_dataloader.batch_size={BATCH}',
        f'train_cfg.max_epochs={epochs}',
        f'param_scheduler.1.end={epochs}',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.by_epoch=False',
        f'default_hooks.checkpoint.interval={INTERVAL}',
        'default_hooks.checkpoint.max_keep_ckpts=2',
        'default_hooks.checkpoint.save_last=True',
    ]


def main(args: argparse.Namespace) -> int:
    random.seed(args.seed)
    steps_an_epoch = IMAGES // (BATCH * args.processes)
    enough = args.kills * args.steps // steps_an_epoch + 4
    with tempfile.TemporaryDirectory(prefix='chaos-') as temporary:
        folder = args.work_dir or Path(temporary)
        make_data(folder / 'data')
        epochs = args.epochs or enough
        options = options_for(folder / 'data', epochs, args.workers)
        alone = Run(folder / 'alone', options, args.processes)
        killed = Run(folder / 'killed', options, args.processes)
        quiet = leave_alone(alone)
        if quiet.codes[0] != 1:
            sys.stderr.write((alone.folder / 'log.txt').read_text())
            return 1
        story = disturb(killed, args.kills, args.steps)
        count, total, most = differing(
            alone.last_checkpoint(), killed.last_checkpoint()
        )
        starts = killed.steps()
        lost = done_twice(starts)
        rows = {
            'kills': story.kills.total(),
            **{f'- {name}': n for name, n in sorted(story.kills.items())},
            'starts by hand': story.starts,
            'starts that came to a step': len(starts),
            'exit codes': json.dumps(dict(sorted(story.codes.items()))),
            'steps of the run': max(map(max, starts)),
            'steps done twice': f'{sum(lost)}, at most {max(lost, default=0)}'
            f' at once (a checkpoint every {INTERVAL})',
            'seconds': f'{story.seconds:.0f}, left alone {quiet.seconds:.0f}',
            'tensors that differ': f'{count} of {total}, by at most {most:g}',
        }
    lines = [f'| {name} | {value} |' for name, value in rows.items()]
    sys.stdout.write('\n'.join(['| | |', '|---|---|', *lines]) + '\n')
    return int(count > 0)


if __name__ == '__main__':
    sys.exit(main(parse_args()))
