#!/usr/bin/env python
"""Makes the label maps of a data set by a classifier, for token labeling."""

import argparse
import sys

from mmuniformer.cli import config_parser, run_command


def part(text: str) -> tuple[int, int]:
    """``2/8`` for the second of eight."""
    number, slash, parts = text.partition('/')
    if not (slash and number.isdecimal() and parts.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not of the form NUMBER/PARTS"
        )
    return int(number), int(parts)


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('out', help='folder of the label maps')
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='train',
        help='whose data set of the config (default: train)',
    )
    parser.add_argument(
        '--size',
        type=int,
        default=576,
        help='side that images are resized to, in pixels (default: 576, which '
        'gives 18 x 18 places of 32 pixels)',
    )
    parser.add_argument(
        '--top',
        type=int,
        default=5,
        help='classes that are kept of each place (default: 5)',
    )
    parser.add_argument(
        '--part',
        type=part,
        default=(1, 1),
        metavar='NUMBER/PARTS',
        help='do a part of the data set only, such as 2/8: a process for each',
    )
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument(
        '--num-workers', type=int, default=2, help='processes that read'
    )
    parser.add_argument('--device', help='such as cuda:1 or cpu')
    return vars(parser.parse_args())


if __name__ == '__main__':
    arguments = parse_args()
    from mmuniformer.apis import make_token_labels

    sys.exit(run_command(lambda: make_token_labels(**arguments)))
