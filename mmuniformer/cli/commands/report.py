"""``mmuniformer report``."""

import argparse
import sys

from mmuniformer.cli.arguments import add_options_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the runs, and what is shown of them."""
    parser.epilog = (
        'The page holds all that it shows; its pictures lie beside it as '
        'well. What a checkpoint predicts is kept in WORK_DIR/report, and '
        'shown again without a test while checkpoint and config are the same.'
    )
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='what a training wrote into; several are shown side by side',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for report.html and its pictures (default: '
        'WORK_DIR/report; of several, "report" beside the first)',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='best|last|FILE',
        help='test this one, and show what it predicts',
    )
    parser.add_argument(
        '--phase',
        choices=['val', 'test'],
        default='val',
        help='the data that it is tested on (default: val)',
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=6,
        metavar='N',
        help='how many of the worst samples are drawn, and of the best '
        '(default: 6)',
    )
    parser.add_argument(
        '--no-check',
        action='store_false',
        dest='check',
        help='do not look at annotations and images before the test',
    )
    add_options_argument(parser)


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """Refuses options of a test where there is none."""
    if arguments.pictures < 0:
        parser.error('--pictures must be 0 or more')
    if arguments.cfg_options and not arguments.checkpoint:
        parser.error('--cfg-options are for the test of a --checkpoint')


def run(arguments: argparse.Namespace) -> None:
    """Writes the page, and says where it is."""
    from mmuniformer.apis import report

    sys.stdout.write(f'{report(**vars(arguments))}\n')
