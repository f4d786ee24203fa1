"""``mmuniformer doctor``."""

import argparse

from mmuniformer import doctor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds none: it looks at everything."""
    parser.epilog = doctor.EXIT_CODE


def run(arguments: argparse.Namespace) -> None:
    """Reports on the environment, and ends with the exit code for it."""
    raise SystemExit(doctor.examination())
