"""Command lines: arguments, then one call of :mod:`mmuniformer.apis`."""

from mmuniformer.cli.arguments import (
    OptionsAction,
    add_runner_arguments,
    config_parser,
    parse_runner_arguments,
)
from mmuniformer.cli.run import INTERRUPTED, PREEMPTED, run_command

__all__ = [
    'INTERRUPTED',
    'PREEMPTED',
    'OptionsAction',
    'add_runner_arguments',
    'config_parser',
    'parse_runner_arguments',
    'run_command',
]
