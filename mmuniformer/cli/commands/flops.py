"""``mmuniformer flops``."""

import argparse

from mmuniformer.cli.arguments import add_config_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the size of the input, and of the table."""
    add_config_arguments(parser)
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


def run(arguments: argparse.Namespace) -> None:
    """Counts a config's model, without its weights."""
    from mmuniformer.apis import get_flops

    get_flops(**vars(arguments))
