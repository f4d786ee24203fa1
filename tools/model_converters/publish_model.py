#!/usr/bin/env python
"""Writes the weights of a checkpoint alone, to be given away.

A classifier gets the names of the official code. The digest of the new file
goes into its name, and the licence, the config and the metrics into its
metadata.
"""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.arguments import OptionsAction


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a training')
    parser.add_argument(
        'out',
        help='new file, ending in .pth or .safetensors; the first digits of '
        'its SHA-256 are added to the name',
    )
    parser.add_argument(
        '--weights',
        choices=['average', 'trained'],
        default='average',
        help='of a training that kept an average (EMA): the average, which is '
        'what OpenMMLab tests, or the weights that it is of',
    )
    parser.add_argument(
        '--license', default='Apache-2.0', help='default: Apache-2.0'
    )
    parser.add_argument(
        '--metrics',
        nargs='+',
        action=OptionsAction,
        metavar='NAME=VALUE',
        help='what the weights were measured at, such as top1=82.9',
    )
    parser.add_argument(
        '--config', help='config file, instead of that in the checkpoint'
    )
    return vars(parser.parse_args())


if __name__ == '__main__':
    arguments = parse_args()
    from mmuniformer.apis import publish

    sys.exit(run_command(lambda: publish(**arguments)))
