#!/usr/bin/env python
"""Draws what the token at a place of an image or a video gathers from."""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.looking import add_models, add_pose_arguments


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    add_models(parser, 'attention.png', several=False)
    parser.add_argument(
        '--query',
        type=float,
        nargs=2,
        default=(0.5, 0.5),
        metavar=('X', 'Y'),
        help='the place, in shares of width and height from the upper left '
        'corner of what the model gets (default: 0.5 0.5)',
    )
    parser.add_argument(
        '--frame',
        type=int,
        metavar='N',
        help='its frame in a clip, from 0 (default: the middle one)',
    )
    parser.add_argument(
        '--blocks',
        nargs='+',
        metavar='STAGE.BLOCK',
        help='blocks to draw, such as 3.2 4.1 (default: the first and last '
        'of each stage)',
    )
    parser.add_argument(
        '--heads',
        choices=('mean', 'each'),
        default='mean',
        help='their mean, or a picture for each (default: mean)',
    )
    add_pose_arguments(parser)
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import draw_attention

    draw_attention(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
