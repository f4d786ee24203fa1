"""``mmuniformer COMMAND``: one command line for everything.

Only the module of the named command is imported, so that help and a mistyped
option are answered at once.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mmuniformer.cli.run import run_command
from mmuniformer.version import __version__

# Commands by name, with the line that `mmuniformer --help` has for each.
COMMANDS: dict[str, str] = {
    'train': 'Train a config of mmdet, mmseg, mmpose, mmaction2 or mmpretrain',
    'test': 'Test a checkpoint with the config that it was trained with',
    'predict': 'Run a model on photos, videos, cameras and links',
    'data': 'Make a config for own data: recognise, show, split, write',
    'check': "Look at the annotations, images and classes of a config's data",
    'report': 'Write a page about trainings: curves, tables and pictures',
    'flops': "Count parameters and FLOPs of a config's model",
    'export': 'Write a model for onnxruntime, OpenVINO or torch alone',
    'zoo': 'List published weights, show what is known of them, get them',
    'reproduce': "List, count, test and report the paper's tables",
    'doctor': 'Show what is installed, and what to type for what is missing',
    'completion': 'Print the script by which a shell completes commands',
}
# They answer on the screen, where what libraries warn one another of is no
# part of the answer. The logs of runs keep it.
QUIET = ('predict', 'data', 'check', 'report', 'export', 'flops')


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs one command.

    Args:
        argv (Sequence[str], optional): Words after the program's name.
        prog (str, optional): How a command is called in its help, if it is
            not called by ``mmuniformer COMMAND``.

    Returns:
        int: The exit code, see :func:`run_command`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    name = _program().parse_args(argv[:1] or ['--help']).command
    module = _module(name)
    parser = command_parser(name, prog)
    # Words may stand between options, but where a command has commands.
    is_nested = parser._subparsers is not None
    read = parser.parse_args if is_nested else parser.parse_intermixed_args
    arguments = read(argv[1:])
    if hasattr(module, 'check_arguments'):
        module.check_arguments(parser, arguments)
    with warnings.catch_warnings():
        if name in QUIET and not sys.warnoptions:
            warnings.simplefilter('ignore')
        return run_command(lambda: module.run(arguments))


def script(name: str) -> int:
    """Runs a command for a script that is another door to it.

    Args:
        name (str): A key of ``COMMANDS``.

    Returns:
        int: The exit code; help and mistakes name the script.
    """
    return main([name, *sys.argv[1:]], prog=Path(sys.argv[0]).name)


def command_parser(
    name: str, prog: str | None = None
) -> argparse.ArgumentParser:
    """The parser of one command.

    Args:
        name (str): A key of ``COMMANDS``.
        prog (str, optional): How the program is called in its help.

    Returns:
        argparse.ArgumentParser: With the arguments of the command.
    """
    parser = argparse.ArgumentParser(
        prog=prog or f'mmuniformer {name}', description=f'{COMMANDS[name]}.'
    )
    _module(name).add_arguments(parser)
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """The parser of the program with all commands, for a shell's completion.

    :func:`main` reads a command line without it: it imports the modules of
    all commands.
    """
    parser = argparse.ArgumentParser(prog='mmuniformer')
    _add_version(parser)
    commands = parser.add_subparsers()
    for name, line in COMMANDS.items():
        _module(name).add_arguments(commands.add_parser(name, help=line))
    return parser


def _program() -> argparse.ArgumentParser:
    listed = '\n'.join(f'  {name:<12} {COMMANDS[name]}' for name in COMMANDS)
    parser = argparse.ArgumentParser(
        prog='mmuniformer',
        description='UniFormer for detection, segmentation, pose, video and '
        'classification.',
        epilog=f'commands:\n{listed}\n\n'
        '`mmuniformer COMMAND --help` has the arguments of a command.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_version(parser)
    parser.add_argument(
        'command', type=_known, metavar='COMMAND', help='see below'
    )
    return parser


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--version', action='version', version=f'mmuniformer {__version__}'
    )


def _known(name: str) -> str:
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS)
        told = f'did you mean {", ".join(near)}?' if near else ''
        raise argparse.ArgumentTypeError(
            f"no command '{name}'; {told or '--help lists what there is'}"
        )
    return name


def _module(name: str) -> ModuleType:
    return import_module(f'mmuniformer.cli.commands.{name}')
