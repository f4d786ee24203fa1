#!/usr/bin/env python
"""Times our backbones beside others, in turn, and measures their memory.

Without options: what docs/benchmarks.md wants, on the GPU if there is one.
"""

import argparse
import sys

from benchmarking.workloads import DTYPES, MODELS, MODES, NAMES, PRESETS

from mmuniformer.cli import run_command


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--quick',
        dest='preset',
        action='store_const',
        const='quick',
        help='what is wanted on a CPU: five minutes on two cores',
    )
    what.add_argument(
        '--preset',
        choices=PRESETS,
        help='quick; gpu: what is wanted on a GPU; memory: training '
        'with checkpointing and without; light: light models with half of '
        'the tokens and with all; runtimes: exported files on a CPU, in '
        '8 bits too; tables: beside the competitors of the '
        "paper's tables; sweep: over sizes and frames",
    )
    grid = parser.add_argument_group(
        'instead of a preset',
        'every combination of these',
        argument_default=argparse.SUPPRESS,
    )
    grid.add_argument('--models', nargs='+', help=', '.join(MODELS))
    grid.add_argument(
        '--sizes',
        nargs='+',
        metavar='SIZE',
        help='224, 800x1280, or 16x224x224 for video',
    )
    grid.add_argument('--batch-sizes', nargs='+', type=int, metavar='N')
    grid.add_argument('--modes', nargs='+', choices=MODES)
    grid.add_argument('--dtypes', nargs='+', choices=DTYPES)
    grid.add_argument(
        '--variants',
        '--contenders',
        nargs='+',
        metavar='NAME',
        help=f'the first is the baseline of the others; {", ".join(NAMES)}',
    )
    grid.add_argument(
        '--compile',
        nargs='+',
        choices=['no', 'yes'],
        help='without torch.compile, with it, or both',
    )
    how = parser.add_argument_group('how')
    how.add_argument('--device', help='cpu, cuda or cuda:1')
    how.add_argument('--threads', type=int, metavar='N', help='of the CPU')
    how.add_argument(
        '--shared',
        action='store_true',
        help='the machine does other things, too: time one thread, by the '
        'time that it has the CPU',
    )
    how.add_argument(
        '--rounds', type=int, default=7, metavar='N', help='default: 7'
    )
    how.add_argument(
        '--seconds',
        type=float,
        default=60,
        metavar='S',
        help='after this long, three rounds are enough (default: 60)',
    )
    how.add_argument(
        '--minutes',
        type=float,
        metavar='M',
        help='after this long, nothing new is begun',
    )
    how.add_argument(
        '--profile',
        action='store_true',
        help='show in which kinds of operators the time goes, too',
    )
    how.add_argument(
        '--resume',
        action='store_true',
        help='keep the comparisons that are in --out-dir, measure the others',
    )
    how.add_argument(
        '--out-dir',
        default='work_dirs/benchmark',
        metavar='DIR',
        help='for JSON, Markdown and figure (default: work_dirs/benchmark)',
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from benchmarking.command import benchmark

    benchmark(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
