"""``mmuniformer completion``."""

import argparse
import sys
from collections.abc import Iterator

from mmuniformer.config_files import config_files

SHELLS = ('bash', 'zsh', 'tcsh')
# Files, and this package's configs by their names.
CONFIGS = {
    'bash': '_mmuniformer_configs',
    'zsh': '_mmuniformer_configs',
    'tcsh': 'f',
}
PREAMBLE = {
    'bash': """
_mmuniformer_configs() {{
  compgen -f -- "$1"
  compgen -W "{names}" -- "$1"
}}
""",
    'zsh': """
_mmuniformer_configs() {{
  _files
  compadd -- {names}
}}
""",
}
# Arguments that are files, by how they are called in the help.
FILES = ('CHECKPOINT', 'FILE', 'SOURCE', 'WEIGHTS')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the shell."""
    parser.epilog = (
        'bash: eval "$(mmuniformer completion bash)" in ~/.bashrc. zsh: write '
        'it to a file _mmuniformer in a folder of $fpath. tcsh: write it to a '
        'file that ~/.tcshrc sources. Again after an update.'
    )
    parser.add_argument('shell', choices=SHELLS)


def run(arguments: argparse.Namespace) -> None:
    """Prints the script for a shell."""
    import shtab

    from mmuniformer.cli.main import whole_parser

    parser = whole_parser()
    for action in _actions(parser):
        called = str(action.metavar or action.dest).upper()
        if action.dest == 'config':
            action.complete = CONFIGS
        elif called.startswith('DIR'):
            action.complete = shtab.DIRECTORY
        elif called.startswith(FILES):
            action.complete = shtab.FILE
    preamble = PREAMBLE.get(arguments.shell, '')
    preamble = preamble.format(names=' '.join(config_files()))
    script = shtab.complete(
        parser, arguments.shell, preamble={arguments.shell: preamble}
    )
    sys.stdout.write(f'{script}\n')


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a program, of its commands and of theirs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
        else:
            yield action
