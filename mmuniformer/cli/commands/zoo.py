"""Published weights: ``mmuniformer zoo list``, ``zoo show``, ``zoo get``."""

import argparse
import sys

from mmuniformer.zoo import get
from mmuniformer.zoo.listing import (
    TASKS,
    find_weights,
    list_weights,
    show_card,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the three commands."""
    commands = parser.add_subparsers(dest='action', required=True)
    listing = commands.add_parser('list', help='what was published')
    listing.add_argument('--task', choices=TASKS)
    listing.add_argument(
        '--table', type=int, metavar='N', help='table of the paper'
    )
    listing.add_argument(
        '--format', choices=['table', 'json'], default='table'
    )
    name = 'of an experiment, its config or its file; NAME@PLACE for another '
    name += 'than the first place'
    card = commands.add_parser('show', help='all that is known of a model')
    card.add_argument('name', help=name)
    card.add_argument(
        '--format', choices=['markdown', 'json'], default='markdown'
    )
    getting = commands.add_parser('get', help='download weights')
    getting.add_argument('name', help=name)
    getting.add_argument(
        '--out', metavar='DIR', help='folder for the file (default: the cache)'
    )


def run(arguments: argparse.Namespace) -> None:
    """Lists, shows or gets."""
    if arguments.action == 'list':
        list_weights(arguments.task, arguments.table, arguments.format)
    elif arguments.action == 'show':
        show_card(arguments.name, arguments.format)
    else:
        path = get(find_weights(arguments.name), arguments.out)
        sys.stdout.write(f'{path}\n')
