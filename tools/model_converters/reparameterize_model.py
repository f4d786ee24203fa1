#!/usr/bin/env python
"""Writes a checkpoint in deployment form: the same outputs in less time."""

import sys

from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('out', help='new file, ending in .pth')
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import deploy

    deploy(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
