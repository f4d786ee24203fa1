"""Command lines: arguments, then one call of :mod:`mmuniformer.apis`."""

from mmuniformer.cli.arguments import (
    OptionsAction,
    add_config_arguments,
    add_runner_arguments,
    config_parser,
    set_local_rank,
)
from mmuniformer.cli.run import INTERRUPTED, PREEMPTED, run_command

__all__ = [
    'INTERRUPTED',
    'PREEMPTED',
    'OptionsAction',
    'add_config_arguments',
    'add_runner_arguments',
    'config_parser',
    'run_command',
    'set_local_rank',
]
