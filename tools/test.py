#!/usr/bin/env python
"""Tests a checkpoint of mmdet, mmseg, mmpose, mmaction2 or mmpretrain."""

import sys

from mmuniformer.cli import (
    add_runner_arguments,
    config_parser,
    parse_runner_arguments,
    run_command,
)


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    add_runner_arguments(parser)
    parser.add_argument(
        '--out',
        '--dump',
        metavar='FILE.pkl',
        help='write all predictions as a pickle',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='write a picture of the predictions on each image into DIR',
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='show the predictions in a window',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2.0,
        metavar='SECONDS',
        help='how long a window stays (default: 2)',
    )
    parser.add_argument(
        '--tta', action='store_true', help='test-time augmentation'
    )
    return parse_runner_arguments(parser)


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import test

    test(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
