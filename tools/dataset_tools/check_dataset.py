#!/usr/bin/env python
"""Looks at the annotations, images and classes of a config's data sets.

The exit code is 1 if something is wrong: an error, which would stop a run or
make it wrong, or a warning. Notes alone are none.
"""

import sys

from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument(
        '--phase',
        nargs='+',
        choices=['train', 'val', 'test'],
        dest='phases',
        help='which dataloaders (default: all that the config has)',
    )
    parser.add_argument(
        '--decode',
        action='store_true',
        help='decode every image and video as well',
    )
    parser.add_argument(
        '--format',
        choices=['table', 'json'],
        default='table',
        help='tables to read (default), or JSON',
    )
    parser.add_argument(
        '--out', metavar='FILE', help='write the report there, not to stdout'
    )
    parser.add_argument(
        '--plot',
        metavar='FILE.png',
        help='draw how often each class occurs',
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    from mmuniformer.apis.check_report import report_on_dataset

    report_on_dataset(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
