"""A module for each command of ``mmuniformer COMMAND``.

Each has two functions and imports nothing slow before the second one is
called:

- ``add_arguments(parser)`` adds its arguments to an ``ArgumentParser``;
- ``run(arguments)`` takes the parsed ``Namespace`` and makes one call of
  :mod:`mmuniformer.apis`.

Where some options do not go with others, a third one comes between them:

- ``check_arguments(parser, arguments)`` calls ``parser.error`` for a mistake
  that argparse cannot see.

A command gets its line in ``COMMANDS`` of :mod:`mmuniformer.cli.main`, which
is its help as well; what else the help says is ``parser.epilog``.
"""
