#!/usr/bin/env python
"""Draws where a model sees what it predicts: Grad-CAM and its kin."""

import argparse
import sys

from mmuniformer.cli import run_command
from mmuniformer.cli.looking import add_models, add_pose_arguments


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    add_models(parser, 'cam.png', several=True)
    parser.add_argument(
        '--method',
        metavar='NAME',
        help='gradcam (default for classes), gradcam++, xgradcam, layercam '
        '(default for boxes, pixels, keypoints), hirescam, eigencam, '
        'eigengradcam, scorecam',
    )
    parser.add_argument(
        '--target',
        metavar='CLASS',
        help='class or keypoint, by name or number (default: the predicted '
        'one)',
    )
    parser.add_argument(
        '--box',
        type=int,
        metavar='N',
        help='one box of a detector, by its score from 1 (default: all of '
        'the class)',
    )
    parser.add_argument(
        '--stage',
        type=int,
        nargs='+',
        dest='stages',
        metavar='N',
        help='stages of the backbone, beside each other (default: the last)',
    )
    parser.add_argument(
        '--layer',
        nargs='+',
        dest='layers',
        metavar='NAME',
        help='layers of the model instead, such as neck.fpn_convs.0',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        default=0.3,
        metavar='S',
        help='least score of a box of a detector (default: 0.3)',
    )
    add_pose_arguments(parser)
    return vars(parser.parse_args())


def main(**arguments) -> None:
    # Takes seconds: after the arguments, which may be mistyped.
    from mmuniformer.apis import draw_cam

    draw_cam(**arguments)


if __name__ == '__main__':
    arguments = parse_args()
    sys.exit(run_command(lambda: main(**arguments)))
