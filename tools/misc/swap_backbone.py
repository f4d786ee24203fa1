#!/usr/bin/env python
"""Puts UniFormer into a config of mmdet, mmseg, mmpose, mmaction2, mmpretrain.

The result inherits the config and says what changes.
"""

import argparse
import sys

from mmuniformer.cli import OptionsAction, run_command


def parse_args() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'config',
        help='config file, or the name of an installed one: '
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    )
    parser.add_argument(
        '-o', '--out', required=True, metavar='FILE.py', help='what to write'
    )
    parser.add_argument(
        '--arch', default='small', help='published model (default: small)'
    )
    parser.add_argument(
        '--stage3',
        choices=['global', 'window', 'hybrid'],
        help="attention of the third stage (default: the backbone's)",
    )
    parser.add_argument(
        '--backbone-options',
        nargs='+',
        default={},
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='other arguments of the backbone, such as drop_path_rate=0.1',
    )
    parser.add_argument(
        '--checkpoint',
        metavar='FILE',
        help="weights to start from; '' for none (default: the public ones)",
    )
    parser.add_argument(
        '--no-build',
        action='store_false',
        dest='build',
        help='do not build the result and run it on generated pictures',
    )
    arguments = vars(parser.parse_args())
    options = arguments.pop('backbone_options')
    if arguments['stage3'] is None:
        del arguments['stage3']
    return arguments | options


if __name__ == '__main__':
    arguments = parse_args()
    from mmuniformer.apis import swap_backbone

    sys.exit(run_command(lambda: swap_backbone(**arguments)))
