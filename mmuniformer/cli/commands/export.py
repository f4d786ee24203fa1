"""``mmuniformer export``."""

import argparse

from mmuniformer.cli.arguments import add_config_arguments
from mmuniformer.config_files import find_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the checkpoint, and the file that is written."""
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file, URL or name')
    parser.add_argument('out', help='new file, ending in .pth')


def run(arguments: argparse.Namespace) -> None:
    """Writes a checkpoint in deployment form."""
    find_config(arguments.config)
    # Takes seconds: after all that may be mistyped.
    from mmuniformer.apis import deploy

    deploy(**vars(arguments))
