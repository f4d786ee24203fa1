#!/usr/bin/env python
"""Writes images or videos as shards: tars of WebDataset's form, with an
index. What was ended goes on where it was."""

import argparse
import sys

from mmuniformer.cli import run_command


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'source',
        help='folder with a folder for each class, or the folder that the '
        'paths of --list are below',
    )
    parser.add_argument('out', help='folder of the shards')
    parser.add_argument(
        '--list',
        dest='ann_file',
        metavar='FILE',
        help='a path and the number of a class in each line',
    )
    parser.add_argument(
        '--delimiter',
        default=' ',
        help='between path and label (default: a space)',
    )
    parser.add_argument(
        '--multi-class',
        action='store_true',
        help='a line of the list has several labels',
    )
    parser.add_argument(
        '--classes',
        metavar='FILE',
        help='names of the classes, one a line (default: those of the '
        'folders)',
    )
    parser.add_argument(
        '--max-mib',
        type=int,
        default=256,
        help='size from which a shard gets no more (default: 256)',
    )
    parser.add_argument(
        '--max-samples',
        type=int,
        default=100_000,
        help='most samples of a shard (default: 100000)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the order (default: 0)'
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=4,
        help='that read and write (default: 4)',
    )
    return vars(parser.parse_args())


if __name__ == '__main__':
    arguments = parse_args()
    from mmuniformer.apis import make_shards

    sys.exit(run_command(lambda: make_shards(**arguments)))
