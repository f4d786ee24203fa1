#!/usr/bin/env python
"""Trains a config of mmdet, mmseg, mmpose, mmaction2 or mmpretrain."""

import sys

from mmuniformer.cli import (
    add_runner_arguments,
    config_parser,
    parse_runner_arguments,
    run_command,
)
from mmuniformer.signals import stop_requests

# What only a rehearsal takes, and what only a run does.
OF_DRY_RUN = ('world_size', 'samples', 'format')
OF_RUN = ('work_dir', 'launcher', 'resume')


def parse_args() -> dict:
    parser = config_parser(__doc__)
    add_runner_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; alone: from the newest of the work '
        'dir, or from the beginning if there is none yet',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='automatic mixed precision (float32 without an accelerator)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size',
    )
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='no validation during training',
    )
    group = parser.add_argument_group(
        'without training', 'What a run would do, told on any machine.'
    )
    group.add_argument(
        '--dry-run',
        action='store_true',
        help='tell batch, learning rate, steps, checkpoints and memory, and '
        'what does not fit',
    )
    group.add_argument(
        '--world-size',
        type=int,
        metavar='N',
        help='processes of the run that is told (default: 1)',
    )
    group.add_argument(
        '--samples',
        type=int,
        metavar='N',
        help='samples of the training data, where they are elsewhere',
    )
    group.add_argument(
        '--format',
        choices=['table', 'json'],
        help='what is printed (default: table)',
    )
    arguments = parse_runner_arguments(parser)
    rehearsed = {key: arguments.pop(key) for key in OF_DRY_RUN}
    if arguments['dry_run']:
        for key in OF_RUN:
            del arguments[key]
        return arguments | {k: v for k, v in rehearsed.items() if v}
    for key, value in rehearsed.items():
        if value is not None:
            option = key.replace('_', '-')
            parser.error(f'--{option} is for --dry-run')
    return arguments


def main(dry_run: bool, **arguments) -> None:
    with stop_requests():
        # Takes seconds: after the arguments, which may be mistyped.
        from mmuniformer.apis import report_on_dry_run, train

        command = report_on_dry_run if dry_run else train
        command(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
