#!/usr/bin/env python
"""Prints parameters and FLOPs of a config's model, without its weights."""

import sys

from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        required=True,
        metavar='N',
        help='size of the input: H W, T H W for video, or one number for a '
        'square',
    )
    parser.add_argument(
        '--depth',
        type=int,
        default=1,
        metavar='N',
        help='how deep the table goes into the modules (default: 1)',
    )
    parser.add_argument(
        '--out', metavar='FILE.json', help='write the numbers as JSON'
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import get_flops

    get_flops(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
