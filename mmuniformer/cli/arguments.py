"""Arguments that command lines share.

Nothing here imports torch or mmengine: a mistyped option is told at once.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from mmuniformer.cli.values import parse_value


class OptionsAction(argparse.Action):
    """KEY=VALUE pairs as a dict; a word without ``=`` is a usage error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Adds the pairs to those of the same option before."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for pair in values or ():
            key, equals, value = pair.partition('=')
            if not equals or not key:
                parser.error(
                    f"{option_string}: '{pair}' is not of the form KEY=VALUE"
                )
            try:
                options[key] = parse_value(value)
            except ValueError as error:
                parser.error(f'{option_string} {key}: {error}')
        setattr(namespace, self.dest, options)


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the config and ``--cfg-options``."""
    parser = argparse.ArgumentParser(description=description)
    add_config_arguments(parser)
    return parser


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the config and ``--cfg-options``."""
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='change values of the config; a list is KEY=a,b or KEY="[a,b]", '
        'a text with a comma KEY="\'a,b\'", with a space "KEY=my set/"',
    )


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what training and testing have in common."""
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder for logs and results (default: work_dirs/CONFIG NAME)',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed run',
    )
    parser.add_argument(
        '--no-check',
        action='store_false',
        dest='check',
        help='do not look at annotations and images first',
    )
    # torch.distributed.launch passes it; torchrun sets the environment.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def set_local_rank(local_rank: int) -> None:
    """Says to torch which process of its machine this is.

    Args:
        local_rank (int): The option; what a launcher has set wins.
    """
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
