#!/usr/bin/env python
"""Runs the step again that ended a run, and says where it goes wrong.

The file is one that the run's last line names. It is read as data.
"""

import argparse
import sys

from mmuniformer.cli import run_command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', help='WORK_DIR/not_finite/iter_N_rank_R.pth')
    parser.add_argument(
        'config',
        nargs='?',
        help='config file; by default the text of it that is in the file',
    )
    parser.add_argument(
        '--weights',
        metavar='CHECKPOINT',
        help='of the model; by default those that the file names',
    )
    return parser.parse_args()


def main(file: str, config: str | None, weights: str | None) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis.replaying import describe, replay

    sys.stdout.write(describe(replay(file, config, weights)) + '\n')


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**vars(arguments))))
