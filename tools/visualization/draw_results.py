#!/usr/bin/env python
"""Draws what models of several tasks find, in rows of one picture."""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.looking import add_out, add_pose_arguments


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--row',
        nargs='+',
        action='append',
        required=True,
        dest='rows',
        metavar=('MODEL', 'SOURCE'),
        help='a checkpoint with its config in it, or the config of a '
        'published one, and its photos or videos; once for each row',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='what stands beside the rows (default: the task)',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.3,
        metavar='S',
        help='least score of what a detector finds (default: 0.3)',
    )
    parser.add_argument(
        '--keypoint-threshold',
        type=float,
        default=0.3,
        metavar='S',
        help='least score of a keypoint (default: 0.3)',
    )
    add_out(parser, 'results.png')
    add_pose_arguments(parser)
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import draw_results

    draw_results(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
