#!/usr/bin/env python
"""Draws what the data pipeline of a config gives to the model."""

import sys

from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument(
        '--phase',
        choices=['train', 'val', 'test'],
        default='train',
        help='which dataloader (default: train)',
    )
    parser.add_argument(
        '--mode',
        choices=['transformed', 'original', 'pipeline'],
        default='transformed',
        help='what the model gets (default), what the files hold, or each '
        'step between them',
    )
    parser.add_argument(
        '--number',
        type=int,
        default=10,
        metavar='N',
        help='how many samples (default: 10)',
    )
    parser.add_argument(
        '--out-dir',
        metavar='DIR',
        help='folder for the pictures (default: work_dirs/CONFIG NAME/browse)',
    )
    parser.add_argument(
        '--show', action='store_true', help='show each picture in a window'
    )
    parser.add_argument(
        '--no-check',
        action='store_false',
        dest='check',
        help='do not look at annotations and images first',
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import browse

    browse(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
