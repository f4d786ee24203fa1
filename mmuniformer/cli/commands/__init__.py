"""A module for each command of ``mmuniformer COMMAND``.

Each has two functions and imports nothing slow before the second one is
called:

- ``add_arguments(parser)`` adds its arguments to an ``ArgumentParser``;
- ``run(arguments)`` takes the parsed ``Namespace`` and makes one call of
  :mod:`mmuniformer.apis`.
"""
