#!/usr/bin/env python
"""Draws what the data pipeline of a config gives to the model."""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.commands.data import add_browsing_arguments


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    add_browsing_arguments(parser)
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import browse

    browse(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
