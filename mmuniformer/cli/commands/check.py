"""``mmuniformer check``."""

import argparse

from mmuniformer.cli.arguments import add_config_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what is looked at, and how it is told."""
    parser.epilog = (
        'The exit code is 1 if something is wrong: an error, which would '
        'stop a run or make it wrong, or a warning. Notes alone are none.'
    )
    add_config_arguments(parser)
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


def run(arguments: argparse.Namespace) -> None:
    """Reports on the data of a config."""
    from mmuniformer.apis import report_on_dataset

    report_on_dataset(**vars(arguments))
