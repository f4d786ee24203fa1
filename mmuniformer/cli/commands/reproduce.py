"""The paper's tables: ``mmuniformer reproduce --list`` and so on."""

import argparse
import sys

from mmuniformer.cli.arguments import OptionsAction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what is done, and how."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        '--list',
        action='store_true',
        help='the official experiments: config, tables and rows, published '
        'metrics, checkpoint',
    )
    what.add_argument(
        '--complexity',
        action='store_true',
        help='parameters and FLOPs of every model of the tables beside the '
        'published ones',
    )
    what.add_argument(
        '--run',
        metavar='ID',
        help='test an experiment as it was published; needs --data-root',
    )
    what.add_argument(
        '--all',
        action='store_true',
        help='test all, and go on where that was ended; needs --data-root',
    )
    what.add_argument(
        '--report',
        action='store_true',
        help='write docs/reproduction.md and its pictures',
    )
    parser.add_argument(
        '--format',
        choices=['table', 'json'],
        help='of --list and --complexity (default: table)',
    )
    parser.add_argument(
        '--out', metavar='FILE.json', help='--complexity also writes it there'
    )
    parser.add_argument(
        '--designs',
        action='store_true',
        help='--complexity counts the designs of Table 23 that have no config',
    )
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help='folder of all data sets, laid out as data/ in the docs',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        help='file, link or name (default: the first published file)',
    )
    parser.add_argument(
        '--results',
        metavar='FILE.json',
        help='file that results are added to (default: docs/reproduction/'
        'results.json)',
    )
    parser.add_argument('--work-dir', metavar='DIR', help='folder for logs')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed test',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='change values of the config of --run',
    )
    # For the message of a wrong combination.
    parser.set_defaults(parser=parser)


def run(arguments: argparse.Namespace) -> None:
    """Lists, counts, tests or reports."""
    tests = arguments.run is not None or arguments.all
    if tests and arguments.data_root is None:
        arguments.parser.error('--run and --all need --data-root')
    if arguments.checkpoint is not None and arguments.run is None:
        arguments.parser.error('--checkpoint is of one experiment: --run ID')
    if arguments.cfg_options and arguments.run is None:
        arguments.parser.error('--cfg-options is of one experiment: --run ID')
    for option in ('designs', 'out'):
        if getattr(arguments, option) and not arguments.complexity:
            arguments.parser.error(f'--{option} is of --complexity')
    listing = arguments.list or arguments.complexity
    if arguments.format and not listing:
        arguments.parser.error('--format is of --list and --complexity')
    if arguments.results and listing:
        arguments.parser.error('--results is of --run, --all and --report')
    form = arguments.format or 'table'
    from mmuniformer.apis import reproducing

    if arguments.list:
        reproducing.list_experiments(form)
    elif arguments.complexity:
        reproducing.list_complexity(form, arguments.out, arguments.designs)
    elif arguments.report:
        page, *pictures = reproducing.write_report(arguments.results)
        sys.stdout.write(f'{page} and its {len(pictures)} pictures\n')
    else:
        how = {
            'results': arguments.results,
            'work_dir': arguments.work_dir,
            'launcher': arguments.launcher,
        }
        if arguments.all:
            reproducing.reproduce_all(arguments.data_root, **how)
        else:
            reproducing.reproduce(
                arguments.run,
                arguments.data_root,
                arguments.checkpoint,
                cfg_options=arguments.cfg_options,
                **how,
            )
