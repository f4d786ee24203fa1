#!/usr/bin/env python
"""Draws which tokens of an image or a video a light model keeps."""

import sys

from mmuniformer.cli import config_parser, run_command


def parse_args() -> dict:
    parser = config_parser(__doc__)
    parser.add_argument(
        'checkpoint', help='file or URL: trained here, or published'
    )
    parser.add_argument(
        'source', help='an image, or a video for a video model'
    )
    parser.add_argument(
        '--out',
        metavar='FILE.png',
        help='file to write (default: in work_dirs/CONFIG NAME)',
    )
    parser.add_argument(
        '--size',
        type=int,
        default=224,
        metavar='N',
        help='length of the shorter side (default: 224)',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=16,
        metavar='N',
        help='frames of a video (default: 16)',
    )
    parser.add_argument(
        '--blocks',
        nargs='+',
        metavar='STAGE.BLOCK',
        help='blocks to draw, such as 3.2 4.1 (default: a few)',
    )
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import draw_tokens

    draw_tokens(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
