"""``mmuniformer COMMAND``: one command line for everything.

Only the module of the named command is imported, so that help and a mistyped
option are answered at once.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from mmuniformer.cli.run import run_command

# Commands by name, with the line that `mmuniformer --help` has for each.
COMMANDS: dict[str, str] = {
    'reproduce': "The paper's tables: list, count, test, report.",
    'zoo': 'Published weights: list, show, get.',
}


def command_parser(name: str, prog: str | None = None):
    """The parser of one command.

    Args:
        name (str): A key of ``COMMANDS``.
        prog (str, optional): How the program is called in its help.

    Returns:
        argparse.ArgumentParser: With the arguments of the command.
    """
    parser = argparse.ArgumentParser(
        prog=prog or f'mmuniformer {name}', description=COMMANDS[name]
    )
    _module(name).add_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv (Sequence[str], optional): Words after the program's name.

    Returns:
        int: The exit code, see :func:`run_command`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    name = _program().parse_args(argv[:1]).command
    arguments = command_parser(name).parse_args(argv[1:])
    return run_command(lambda: _module(name).run(arguments))


def _program() -> argparse.ArgumentParser:
    listed = '\n'.join(f'  {name:<10} {COMMANDS[name]}' for name in COMMANDS)
    parser = argparse.ArgumentParser(
        prog='mmuniformer',
        description='UniFormer for detection, segmentation, pose, video and '
        'classification.',
        epilog=f'commands:\n{listed}',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'command', choices=COMMANDS, metavar='COMMAND', help='see below'
    )
    return parser


def _module(name: str):
    return import_module(f'mmuniformer.cli.commands.{name}')
