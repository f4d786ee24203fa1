"""``mmuniformer train``."""

import argparse

from mmuniformer.cli.arguments import (
    add_config_arguments,
    add_runner_arguments,
    set_local_rank,
)
from mmuniformer.signals import stop_requests

# What only a rehearsal takes, and what only a run does.
OF_DRY_RUN = ('world_size', 'samples', 'format')
OF_RUN = ('work_dir', 'launcher', 'resume')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of a run, and of one that is only told."""
    add_config_arguments(parser)
    add_runner_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint; alone: from the newest of the work '
        'dir, or from the beginning if there is none yet',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='automatic mixed precision (float32 without an accelerator)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size',
    )
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='no validation during training',
    )
    group = parser.add_argument_group(
        'without training', 'What a run would do, told on any machine.'
    )
    group.add_argument(
        '--dry-run',
        action='store_true',
        help='tell batch, learning rate, steps, checkpoints and memory, and '
        'what does not fit',
    )
    group.add_argument(
        '--world-size',
        type=int,
        metavar='N',
        help='processes of the run that is told (default: 1)',
    )
    group.add_argument(
        '--samples',
        type=int,
        metavar='N',
        help='samples of the training data, where they are elsewhere',
    )
    group.add_argument(
        '--format',
        choices=['table', 'json'],
        help='what is printed (default: table)',
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """Refuses options of a dry run in a run."""
    for key in OF_DRY_RUN:
        if getattr(arguments, key) is not None and not arguments.dry_run:
            parser.error(f'--{key.replace("_", "-")} is for --dry-run')


def run(arguments: argparse.Namespace) -> None:
    """Trains, or tells what a training would do."""
    options = vars(arguments)
    set_local_rank(options.pop('local_rank'))
    rehearsed = {key: options.pop(key) for key in OF_DRY_RUN}
    with stop_requests():
        # Takes seconds: after the arguments, which may be mistyped.
        from mmuniformer.apis import report_on_dry_run, train

        if not options.pop('dry_run'):
            train(**options)
            return
        for key in OF_RUN:
            del options[key]
        options |= {k: v for k, v in rehearsed.items() if v}
        report_on_dry_run(**options)
