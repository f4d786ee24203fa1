#!/usr/bin/env python
"""Times training steps of processes that exchange gradients in other ways.

    python tools/misc/time_processes.py

Two processes on the CPU (gloo), a UniFormer that classifies random images.
The ways take turns in every round, and each is compared with the plain one of
the same round: what else the machine does falls on all of them. Beside the
time of the clock stands that of the CPU, on which others have less influence.
``guard`` is what :class:`FiniteStepsHook` does in a step, with gradients that
nobody clips.
"""

import argparse
import statistics
import sys
import time

WAYS = {
    'plain': {},
    'bucket views': dict(gradient_as_bucket_view=True),
    'static graph': dict(static_graph=True),
    'bf16': dict(compress_gradients='bf16'),
    'fp16': dict(compress_gradients='fp16'),
    'guard': {},
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--arch', default='small')
    parser.add_argument('--size', type=int, default=64, help='pixels')
    parser.add_argument('--batch-size', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--port', default='29533')
    return parser.parse_args()


if __name__ == '__main__':
    # Before what takes seconds to import: an option may be mistyped.
    ARGS = parse_args()

import os  # noqa: E402

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from mmengine.optim import OptimWrapper  # noqa: E402

from mmuniformer.engine.batch_files import random_state  # noqa: E402
from mmuniformer.engine.finite import Buffers, StepGuard  # noqa: E402
from mmuniformer.engine.parallel import (  # noqa: E402
    DistributedDataParallel,
)
from mmuniformer.models import UniFormer  # noqa: E402


class Way:
    """A model of its own, and a step of it."""

    def __init__(self, name: str, arch: str) -> None:
        torch.manual_seed(0)
        model = UniFormer(arch=arch, classifier=True, out_indices=(3,))
        self.model = DistributedDataParallel(model, **WAYS[name])
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.wrapper = OptimWrapper(optimizer)
        self.buffers = None
        if name == 'guard':
            self.buffers = Buffers(model)
            StepGuard(self.wrapper, self.buffers.to_be_finite)

    def step(self, images: torch.Tensor) -> tuple[float, float]:
        """Seconds of one step: of the clock, and of the CPU."""
        dist.barrier()
        start, worked = time.perf_counter(), time.process_time()
        if self.buffers is not None:
            self.buffers.keep()
            random_state()
        (maps,) = self.model(images)
        self.wrapper.update_params(maps.square().mean())
        took = time.perf_counter() - start
        return took, time.process_time() - worked


def run(rank: int, args: argparse.Namespace) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=args.port)
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=args.processes)
    ways = {name: Way(name, args.arch) for name in WAYS}
    images = torch.rand(args.batch_size, 3, args.size, args.size)
    seconds: dict[str, list[tuple]] = {name: [] for name in ways}
    for number in range(args.rounds + 2):
        # Each begins as often as any other.
        first = number % len(ways)
        names = list(ways)
        for name in names[first:] + names[:first]:
            took = ways[name].step(images)
            if number > 1:
                seconds[name].append(took)
    if rank == 0:
        report(seconds, args)
    dist.destroy_process_group()


def report(seconds: dict[str, list[tuple]], args: argparse.Namespace) -> None:
    """A line for each way: medians, and those of the ratios to plain."""
    sys.stdout.write(
        f'{args.arch}, {args.size} x {args.size}, batch {args.batch_size}, '
        f'{args.processes} processes, {args.rounds} rounds; quarters of the '
        'ratios in brackets\n'
    )
    for name, times in seconds.items():
        cells = [f'{name:<14}']
        for index, unit in enumerate(('ms', 'ms of CPU')):
            pairs = zip(times, seconds['plain'], strict=True)
            ratios = sorted(a[index] / b[index] for a, b in pairs)
            quarter = len(ratios) // 4
            median = statistics.median(each[index] for each in times)
            cells.append(
                f'{1000 * median:7.0f} {unit}  '
                f'{statistics.median(ratios):.3f} '
                f'({ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f})'
            )
        sys.stdout.write('   '.join(cells) + '\n')


if __name__ == '__main__':
    torch.multiprocessing.spawn(run, (ARGS,), nprocs=ARGS.processes)
