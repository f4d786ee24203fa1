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
    return parse_runner_arguments(parser)


def main(**arguments) -> None:
    with stop_requests():
        # Takes seconds: after the arguments, which may be mistyped.
        from mmuniformer.apis import train

        train(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
