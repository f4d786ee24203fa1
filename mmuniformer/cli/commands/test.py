"""``mmuniformer test``."""

import argparse

from mmuniformer.cli.arguments import (
    add_config_arguments,
    add_runner_arguments,
    set_local_rank,
)
from mmuniformer.config_files import find_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a test."""
    add_config_arguments(parser)
    parser.add_argument(
        'checkpoint', help='checkpoint file or URL, or an exported file'
    )
    add_runner_arguments(parser)
    parser.add_argument(
        '--out',
        '--dump',
        metavar='FILE.pkl',
        help='write all predictions as a pickle',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='write a picture of the predictions on each image into DIR',
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='show the predictions in a window',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2.0,
        metavar='SECONDS',
        help='how long a window stays (default: 2)',
    )
    parser.add_argument(
        '--tta', action='store_true', help='test-time augmentation'
    )


def run(arguments: argparse.Namespace) -> None:
    """Tests a checkpoint."""
    options = vars(arguments)
    set_local_rank(options.pop('local_rank'))
    find_config(arguments.config)
    # Takes seconds: after all that may be mistyped.
    from mmuniformer.apis import test

    test(**options)
