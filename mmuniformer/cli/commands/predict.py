"""``mmuniformer predict``: a model on photos, videos, cameras and links."""

import argparse
from pathlib import Path

from mmuniformer.config_files import find_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='photo, video, folder, "glob", http(s) link, number of a camera, '
        'or - for a list of these on the standard input',
    )
    parser.add_argument(
        '--model',
        required=True,
        metavar='CONFIG',
        help='config, by path, name or part of its name, or a checkpoint '
        'that has its config in it',
    )
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help='checkpoint, where --model is a config: file, link or name of '
        'published weights (default: those of that config)',
    )
    parser.add_argument(
        '--out-dir',
        default='predictions',
        metavar='DIR',
        help='folder for all that is written (default: %(default)s)',
    )
    _add_running(parser.add_argument_group('running'))
    _add_writing(parser.add_argument_group('writing'))
    _add_pose(parser.add_argument_group('pose models'))


def _add_running(group) -> None:
    group.add_argument(
        '--device', help='such as cuda:1 or cpu (default: what there is)'
    )
    group.add_argument(
        '--half',
        action='store_true',
        help='half precision: faster on a GPU, slower on most CPUs',
    )
    group.add_argument(
        '--threshold',
        type=float,
        default=0.3,
        metavar='SCORE',
        help='least score of a box (default: %(default)s)',
    )
    group.add_argument(
        '--batch-size',
        type=int,
        default=1,
        metavar='N',
        help='images that go through the model at once, if they have one '
        'size (default: %(default)s)',
    )
    group.add_argument(
        '--workers',
        type=int,
        default=2,
        metavar='N',
        help='threads that read images ahead of the model '
        '(default: %(default)s)',
    )
    group.add_argument(
        '--max-download',
        type=float,
        default=1000,
        metavar='MB',
        help='megabytes that one link may have (default: %(default)g)',
    )


def _add_writing(group) -> None:
    group.add_argument(
        '--no-pictures',
        action='store_false',
        dest='pictures',
        help='write no pictures and videos',
    )
    group.add_argument(
        '--format',
        choices=['coco', 'jsonl'],
        help='of the results (default: coco for boxes, masks and keypoints, '
        'jsonl for all else)',
    )
    group.add_argument(
        '--crops', action='store_true', help='write a picture of each box'
    )
    group.add_argument(
        '--label-maps',
        action='store_true',
        help='write a PNG with the classes of pixels of each image',
    )


def _add_pose(group) -> None:
    group.add_argument(
        '--detector',
        metavar='CONFIG',
        help='config or checkpoint of a detector that finds the boxes '
        '(default: each image is one box)',
    )
    group.add_argument(
        '--detector-weights',
        metavar='FILE',
        help='its checkpoint, where --detector is a config',
    )
    group.add_argument(
        '--detector-classes',
        nargs='+',
        metavar='NAME',
        help='classes of its boxes (default: person, or all if there is none)',
    )
    group.add_argument(
        '--boxes',
        metavar='FILE',
        help='COCO JSON with boxes, in place of a detector',
    )
    group.add_argument(
        '--keypoint-threshold',
        type=float,
        default=0.3,
        metavar='SCORE',
        help='least score of a keypoint that is drawn (default: %(default)s)',
    )


def run(arguments: argparse.Namespace) -> None:
    """Predicts, and ends with an error if an input could not be read."""
    model = Path(arguments.model)
    if model.suffix in ('', '.py') and not model.is_dir():
        # Told before anything that takes seconds.
        find_config(arguments.model)
    from mmuniformer.apis.predicting import predict
    from mmuniformer.errors import UserError

    summary = predict(**vars(arguments))
    if summary.problems:
        raise UserError(
            f'not read: {len(summary.problems)} inputs, see above; predicted: '
            f'{summary.images} images'
        )
