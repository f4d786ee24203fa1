"""``mmuniformer export``."""

import argparse

from mmuniformer.cli.arguments import add_config_arguments
from mmuniformer.config_files import find_config

FORMATS = ('checkpoint', 'torch', 'onnx', 'openvino', 'aoti')
DTYPES = ('float32', 'float16', 'bfloat16', 'int8', 'fp32', 'fp16', 'bf16')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the checkpoint, and what is written of it."""
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file, URL or name')
    parser.add_argument(
        'out',
        nargs='?',
        help='new file, ending in .onnx, .xml, .pt2 or .pth (default: the '
        'name of the config)',
    )
    parser.add_argument(
        '--to',
        choices=FORMATS,
        help='what it is: a checkpoint in deployment form, a graph of torch, '
        'ONNX, OpenVINO, or machine code for torch (default: by the suffix '
        'of the file)',
    )
    parser.add_argument(
        '--part',
        choices=('backbone', 'neck'),
        help='the maps of the backbone, or of backbone and neck, alone '
        '(default: the whole model; of a detector of two stages, the neck)',
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='size to trace at (default: that of the test pipeline)',
    )
    parser.add_argument(
        '--static',
        action='store_true',
        help='for one image of that size alone (default: any batch, height '
        'and width)',
    )
    parser.add_argument(
        '--dynamic-frames',
        action='store_true',
        help='of a video model, for clips of any number of frames',
    )
    parser.add_argument(
        '--dtype',
        choices=DTYPES,
        default='float32',
        help='of the weights; int8, for OpenVINO, '
        'of convolutions and matrix products, too (default: %(default)s)',
    )
    parser.add_argument(
        '--calibrate',
        metavar='FOLDER',
        help='with images (for actions: videos) by which the numbers of '
        '--dtype int8 are chosen; some hundred of the training set',
    )
    parser.add_argument(
        '--calibration-images',
        type=int,
        default=300,
        metavar='N',
        help='how many of them are used (default: %(default)s)',
    )
    parser.add_argument(
        '--boxes',
        metavar='FILE',
        help='COCO JSON with boxes of these images, for a top-down pose model',
    )


def run(arguments: argparse.Namespace) -> None:
    """Writes the file, and ends with an error if it differs."""
    find_config(arguments.config)
    # Takes seconds: after all that may be mistyped.
    from mmuniformer.apis import export
    from mmuniformer.apis.export_report import report_on_export

    report_on_export(export(**vars(arguments)))
