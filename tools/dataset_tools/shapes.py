"""Generate the "shapes" data set: pictures with COCO instances, keypoints and
semantic maps, pictures of one thing in folders of classes, or videos of
motions with the lists of mmaction2."""

import argparse
from pathlib import Path

from rich.console import Console


def parse_args() -> dict:
    # What is not given is left to the generators.
    parser = argparse.ArgumentParser(
        description=__doc__, argument_default=argparse.SUPPRESS
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        '--classification',
        action='store_true',
        default=False,
        help='pictures whose class is the one thing that they show',
    )
    kind.add_argument(
        '--video',
        action='store_true',
        default=False,
        help='videos whose class is how something moves',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='folder to write (default: data/shapes, data/shapes_cls, '
        'data/shapes_video)',
    )
    parser.add_argument(
        '--train',
        type=int,
        help='for training (default: 600, classification 9000, videos 660)',
    )
    parser.add_argument(
        '--val',
        type=int,
        help='for validation (default: 100, classification 300, videos 150)',
    )
    parser.add_argument(
        '--size',
        type=int,
        help='width and height in pixels (default: 160, classification and '
        'videos 64)',
    )
    parser.add_argument(
        '--frames', type=int, help='length of a video (default: 20)'
    )
    parser.add_argument('--seed', type=int, help='default: 0')
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a shapes data set that is there',
    )
    args = vars(parser.parse_args())
    if 'frames' in args and not args['video']:
        parser.error('--frames is for --video')
    return args


def main(classification: bool, video: bool, **args) -> None:
    from mmuniformer.datasets import shapes

    folder, generate = 'data/shapes', shapes.generate
    if classification:
        folder, generate = 'data/shapes_cls', shapes.generate_portraits
    elif video:
        folder, generate = 'data/shapes_video', shapes.generate_videos
    args.setdefault('out', Path(folder))
    try:
        written = generate(**args)
    except (ValueError, OSError) as error:
        raise SystemExit(f'shapes.py: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit('shapes.py: interrupted, nothing written') from None
    state = 'written' if written else 'already there'
    Console().print(f'{args["out"]}: {state}', soft_wrap=True)


if __name__ == '__main__':
    main(**parse_args())
