#!/usr/bin/env python
"""Draws what the data pipeline of a config gives to the model."""

import sys

from mmuniformer.apis import browse
from mmuniformer.apis.browsing import MODES, PHASES
from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument(
        '--phase',
        choices=PHASES,
        default='train',
        help='which dataloader (default: train)',
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
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


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: browse(**arguments)))
