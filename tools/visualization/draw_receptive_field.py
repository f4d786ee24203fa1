#!/usr/bin/env python
"""Draws the effective receptive field of each stage of a backbone."""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.looking import add_models


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    add_models(parser, 'receptive_field.png', several=True)
    parser.add_argument(
        '--stage',
        type=int,
        nargs='+',
        dest='stages',
        metavar='N',
        help='stages of the backbone (default: all)',
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import draw_receptive_field

    draw_receptive_field(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
